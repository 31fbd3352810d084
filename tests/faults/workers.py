"""The worker processes as they come and go, seen through the task engine; what is to be done to them, on time."""

from __future__ import annotations

import heapq
import itertools
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
from tamma_local.cloud import Cloud

from tests.e2e.pipeline import CLUSTER, attempt_of, job_of

# The embedded cloud takes a stop with this very reason for an interruption by Fargate Spot.
SPOT_REASON = "Your Spot Task was interrupted."
_TICK = 0.05  # seconds between looks: how precisely a worker's beginning is known
_PATIENCE = 10  # seconds: it was started before it is looked for
_FIRST_LIFE = 3.0  # seconds that a worker is presumed to live until the first ones have ended


@dataclass(frozen=True)
class Worker:
    """One worker process: the container, and whose attempt it is. `seen` is of time.time()."""

    container: str
    task_arn: str
    job_id: str
    attempt: int
    seen: float


Action = Callable[[], object]


class Workers:
    """A thread that looks at the engine between `with` and its end, tells `listeners`, and does what is due."""

    def __init__(self, cloud: Cloud, ecs: Any) -> None:
        self.listeners: list[Callable[[Worker], object]] = []
        self.alive: dict[str, Worker] = {}
        self.waited: dict[str, float] = {}
        self._pids: dict[str, int] = {}
        self.problems: list[Exception] = []
        self._lives: list[float] = []
        self._ecs = ecs
        transport = httpx.HTTPTransport(uds=cloud.docker_host.removeprefix("unix://"))
        self._engine = httpx.Client(transport=transport, base_url="http://engine", timeout=30)
        self._due: list[tuple[float, int, Action]] = []
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="workers")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._engine.close()

    @property
    def life(self) -> float:
        """Return how many seconds a worker lives, as the median of those that have ended."""
        return statistics.median(self._lives[-200:]) if len(self._lives) >= 3 else _FIRST_LIFE

    def own_seconds(self, task: dict[str, Any]) -> float:
        """Return how long a stopped task lived by ECS, less the time that its process waited for a core."""
        lived = (task["stoppedAt"] - task["startedAt"]).total_seconds()
        return float(lived - self.waited.get(task["taskArn"], 0.0))

    def later(self, seconds: float, action: Action) -> None:
        """Do something in so many seconds, in this thread."""
        with self._lock:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._order), action))

    def find(self, job_id: str) -> Worker:
        """Return a job's worker, waiting for one that has only just been started. Raises LookupError."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            for worker in list(self.alive.values()):
                if worker.job_id == job_id:
                    return worker
            time.sleep(_TICK)
        raise LookupError(f"{job_id} has no worker")

    def signal(self, worker: Worker, name: str) -> float | None:
        """Send a signal behind ECS's back; return when, or None when the worker had ended."""
        at = time.time()
        answer = self._engine.post(f"/containers/{worker.container}/kill", params={"signal": name})
        if answer.status_code in {404, 409}:
            return None
        answer.raise_for_status()
        return at

    def interrupt(self, worker: Worker) -> float | None:
        """Take the task away as Fargate Spot does, SIGTERM first; return when, or None when it had stopped."""
        at = time.time()
        task = self._ecs.stop_task(cluster=CLUSTER, task=worker.task_arn, reason=SPOT_REASON)["task"]
        return None if task["lastStatus"] == "STOPPED" else at

    def _run(self) -> None:
        while not self._over.wait(_TICK):
            try:
                self._look()
                self._do_what_is_due()
            except Exception as error:  # noqa: BLE001 - the run ends with it: a missed look would hide a fault
                self.problems.append(error)

    def _look(self) -> None:
        listed = {item["Id"]: item["Labels"] for item in self._engine.get("/containers/json").json()}
        now = time.time()
        for container in [it for it in self.alive if it not in listed]:
            self._lives.append(now - self.alive.pop(container).seen)
            self._pids.pop(container, None)
        labels = {it: listed[it].get("com.amazonaws.ecs.task-arn", "") for it in listed if it not in self.alive}
        for worker in self._recognised({it: arn for it, arn in labels.items() if arn}, now):
            self.alive[worker.container] = worker
            state = self._engine.get(f"/containers/{worker.container}/json").json().get("State", {})
            self._pids[worker.container] = int(state.get("Pid", 0))
            for listener in list(self.listeners):
                listener(worker)
        for worker in self.alive.values():
            self._note_waiting(worker)

    def _note_waiting(self, worker: Worker) -> None:
        """Note how long the process has been ready to run without a core: no fault of its own on a busy machine."""
        try:
            fields = Path(f"/proc/{self._pids[worker.container]}/schedstat").read_text().split()
        except OSError:
            return  # it has ended, or this is no Linux and the machine's load is not taken into account
        self.waited[worker.task_arn] = int(fields[1]) / 1e9  # nanoseconds, Documentation/scheduler/sched-stats.rst

    def _recognised(self, new: dict[str, str], now: float) -> list[Worker]:
        if not new:
            return []
        tasks: dict[str, dict[str, Any]] = {}
        arns = list(new.values())
        for start in range(0, len(arns), 100):
            answer = self._ecs.describe_tasks(cluster=CLUSTER, tasks=arns[start : start + 100])
            tasks |= {task["taskArn"]: task for task in answer["tasks"]}
        return [
            Worker(container, arn, job_of(tasks[arn]), attempt_of(tasks[arn]), now)
            for container, arn in new.items()
            if arn in tasks
        ]

    def _do_what_is_due(self) -> None:
        while True:
            with self._lock:
                if not self._due or self._due[0][0] > time.monotonic():
                    return
                action = heapq.heappop(self._due)[2]
            action()
