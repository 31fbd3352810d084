"""One job in numbers, and from it what a day of many allows, needs and costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.scale.figures import Figures, Stack

DAY = 86_400
HOUR = 3600
MONTH_DAYS = 30
KB, MB, GB = 1e3, 1e6, 1e9
FREE_EPHEMERAL_GIB = 20
UNITS_PER_VCPU = 1024
# What the worker and the functions do, counted in their code: files/worker/src/tamma_worker/{publish,heartbeat}.py.
UPLOAD_PART = 8 << 20
OUTPUTS = 3
PROGRESS_STEPS, PROGRESS_SECONDS = 10, 15
TRANSITIONS = 4  # claim, attach, start, complete
EVENT_READS = 1  # the reconciler looks at the row when the task has stopped
SECRET_READS = 1  # one GetParameters for both secrets of a task


@dataclass(frozen=True)
class Job:
    """The mean job; seconds, bytes and counts of one attempt unless said otherwise."""

    figures: Figures
    stack: Stack
    audio_minutes: float

    def guess(self, name: str) -> float:
        """Return an assumption about the job."""
        return self.figures.job[name].value

    @property
    def work_seconds(self) -> float:
        """The worker's own time, from its first to its last instruction."""
        return self.audio_minutes * 60 / self.guess("speed") * self.vcpu_factor + self.guess("overhead_seconds")

    @property
    def vcpu_factor(self) -> float:
        """One core does the work; what the task has above one is idle, below one it takes longer."""
        return 1 / min(1.0, self.vcpu)

    @property
    def vcpu(self) -> float:
        """Virtual CPUs of the task."""
        return self.stack.number("compute_worker_cpu") / UNITS_PER_VCPU

    @property
    def memory_gb(self) -> float:
        """Memory of the task in GiB, which the price list calls GB."""
        return self.stack.number("compute_worker_memory") / 1024

    @property
    def attempts(self) -> float:
        """Tasks for one job, with interruptions and failures."""
        again = self.guess("spot_interrupted_share") * self.stack.spot_share + self.guess("failed_share")
        return 1 / (1 - again)

    @property
    def running_seconds(self) -> float:
        """How long one task counts against the vCPU quota."""
        return self.guess("start_seconds") + self.work_seconds

    @property
    def address_seconds(self) -> float:
        """How long one task holds its network interface and address."""
        return self.running_seconds + self.guess("stop_seconds")

    @property
    def billed_seconds(self) -> float:
        """What Fargate bills for one task."""
        minimum = self.figures.price["fargate_minimum_seconds"].value
        return max(minimum, self.guess("billed_start_seconds") + self.work_seconds)

    @property
    def heartbeats(self) -> float:
        """Calls that keep the lease and tell the progress."""
        return max(PROGRESS_STEPS, self.work_seconds / PROGRESS_SECONDS)

    @property
    def writes(self) -> float:
        """Transactions that write to the database."""
        return TRANSITIONS + self.heartbeats

    @property
    def input_bytes(self) -> float:
        """The recording."""
        return self.audio_minutes * 60 * self.guess("input_kilobytes_per_second") * KB

    @property
    def output_bytes(self) -> float:
        """What is published; picture and report are small beside the audio."""
        return self.audio_minutes * 60 * self.guess("output_kilobytes_per_second") * KB

    @property
    def puts(self) -> float:
        """S3 requests at the price of a PUT: the upload, three multipart uploads, the manifest."""
        parts = math.ceil(self.output_bytes / UPLOAD_PART) + OUTPUTS - 1
        return 1 + 2 * OUTPUTS + parts + 1

    @property
    def lean_puts(self) -> float:
        """The same if outputs of one part were written with one PutObject."""
        parts = math.ceil(self.output_bytes / UPLOAD_PART)
        return 1 + (OUTPUTS - 1) + (1 if parts == 1 else 2 + parts) + 1


@dataclass(frozen=True)
class Limit:
    """One limit: what it is by default, the jobs a day that it allows, and what to do when it binds."""

    name: str
    default: str
    jobs_per_day: float
    remedy: str


def limits(job: Job) -> list[Limit]:
    """Return every limit of the default stack in a new account, the one that binds first at the top."""
    found = [*_vcpu_limits(job), *_network_limits(job), *_rate_limits(job), *_function_limits(job), *_store_limits(job)]
    return sorted(found, key=lambda limit: limit.jobs_per_day)


def _per_day(job: Job, per_second: float) -> float:
    return per_second * DAY / job.attempts


def _rates(job: Job, rows: list[tuple[str, str, float, str]]) -> list[Limit]:
    """Make limits of rows of name, default, jobs per second and remedy."""
    return [Limit(name, default, _per_day(job, rate), remedy) for name, default, rate, remedy in rows]


def _plain(number: float) -> str:
    return f"{number:,.1f}".removesuffix(".0")


def _vcpu_limits(job: Job) -> list[Limit]:
    spot = job.stack.spot_share
    remedy = "raise the quota; until then shift weights (`dispatch_spot_weight`, `dispatch_on_demand_weight`)"
    rows = []
    for kind, share in (("Spot", spot), ("On-Demand", 1 - spot)):
        vcpu = job.figures.quota[f"fargate_{kind.lower().replace('-', '_')}_vcpu"].value
        tasks = vcpu / job.vcpu / share if share else math.inf
        default = f"{vcpu:g} vCPU for {share:.0%} of the tasks"
        rows.append((f"Fargate vCPU, {kind}", default, tasks / job.running_seconds, remedy))
    return _rates(job, rows)


def _network_limits(job: Job) -> list[Limit]:
    quota, stack = job.figures.quota, job.stack
    interfaces, connections = quota["network_interfaces"].value, quota["nat_connections"].value
    planned = "larger `network_private_cidrs`; a subnet cannot grow, so plan them before the first converge"
    rows = [
        ("Network interfaces", f"{interfaces:,.0f} a Region", interfaces / job.address_seconds, "raise the quota"),
        (
            "Addresses of the subnets",
            f"{stack.addresses:,} in {len(stack.variables['network_private_cidrs'])} subnets",
            stack.addresses / job.address_seconds,
            planned,
        ),
    ]
    if stack.nat_gateways:
        default = f"{connections:,.0f} a gateway, {stack.nat_gateways} deployed"
        rate = connections * stack.nat_gateways / job.work_seconds
        rows.append(("NAT connections to Supabase", default, rate, "`network_nat: per_az`"))
    return _rates(job, rows)


def _rate_limits(job: Job) -> list[Limit]:
    quota, share = job.figures.quota, job.stack.spot_share
    launches = quota["launches_per_second"].value / max(share, 1 - share)
    reads = quota["parameter_reads_per_second"].value / SECRET_READS
    rows = [
        ("RunTask", quota["run_task_per_second"].value, "a second", "raise the quota, or a warm pool"),
        ("Fargate launches", launches, "a second over both kinds", "raise the quota with the one before"),
        ("Parameter Store", reads, "reads a second", "switch on higher throughput (SSM setting, costs per request)"),
        ("Log streams", quota["log_streams_per_second"].value, "a second", "raise the quota"),
        ("EventBridge to the queue", quota["event_deliveries_per_second"].value, "a second", "nothing to do"),
    ]
    return _rates(job, [(name, f"{_plain(rate)} {unit}", rate, remedy) for name, rate, unit, remedy in rows])


def _function_limits(job: Job) -> list[Limit]:
    stack, dispatch, reconcile = job.stack, job.guess("dispatch_seconds"), job.guess("reconcile_seconds")
    lanes, events = stack.number("dispatch_max_concurrency"), stack.reconciler_concurrency
    # The message groups of a batch are dispatched at the same time.
    batch = stack.number("dispatch_batch_size")
    account = job.figures.quota["lambda_concurrency"].value
    together = "raise it together with the quota of RunTask, never before"
    by_group = "group = `job_id`; a user's id only where order matters"
    in_role = "raise `maximum_concurrency` in `roles/dispatch`"
    rows = [
        ("One message group", "one batch at a time", 1 / dispatch, by_group),
        ("Dispatcher", f"`dispatch_max_concurrency` {lanes:g}", lanes * batch / dispatch, together),
        ("Reconciler", f"{events} batches at once", events / reconcile, in_role),
        (
            "Lambda concurrency",
            f"{account:,.0f} at once, 10 in a new account",
            account / (dispatch / batch + reconcile),
            "nothing to do, unless other functions of the account use it up",
        ),
    ]
    if stack.run_task_rate is not None:
        pace = f"`dispatch_run_task_rate` {stack.run_task_rate:g}"
        rows.append(("Pace of the dispatcher", pace, stack.run_task_rate, "raise it with the quota of RunTask"))
    return _rates(job, rows)


def _store_limits(job: Job) -> list[Limit]:
    writes = job.guess("database_calls_per_second")
    mode = "fifo_requests_per_second" if job.stack.fifo_high_throughput else "fifo_plain_requests_per_second"
    calls = job.figures.quota[mode].value
    rows = [
        ("Database", f"{writes:,.0f} writes a second", writes / job.writes, "a larger plan; fewer heartbeats"),
        ("Jobs queue", f"{calls:,.0f} calls a second", calls, "nothing to do"),
    ]
    return _rates(job, rows)
