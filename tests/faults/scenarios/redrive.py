"""Jobs that use up their attempts are set aside; redriving everything, and again at once, does each of them once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.pipeline import DEAD_LETTER_QUEUE
from tests.faults.jobs import Job, chosen
from tests.faults.ledger import Facts
from tests.faults.scenario import Scenario
from tests.faults.workers import Worker

_SHARE = 0.1  # of the jobs: killed in every attempt; as many again are never uploaded until they are redriven
_ATTEMPTS = {"killed": 5, "missing": 4}  # of the first life, by the contract
_PATIENCE = 600  # seconds before the factor until what was redriven is over
_RATE = 50  # messages a second: more than the playbook's careful default, for a thousand jobs


class Redrive(Scenario):
    """Half of the doomed crash every time, the other half waits for recordings that come too late."""

    name = "redrive"
    fault = "attempts used up by crashes and missing objects; full redrive, run twice"
    bound = "each job done exactly once, the dead-letter queue is empty"
    sigkills = True

    def plan(self) -> None:
        doomed = chosen(self.jobs, 2 * _SHARE, "doomed")
        for place, job in enumerate(doomed):
            job.notes["doom"] = "missing" if place % 2 else "killed"
        self.doomed = {job.job_id for job in doomed}
        self.redriven = False
        self.set_aside: set[str] = set()
        # What earlier scenarios have set aside is none of ours, and would be redriven with the rest.
        sqs = self.world.pipeline.sqs
        sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName=DEAD_LETTER_QUEUE)["QueueUrl"])

    @contextmanager
    def injected(self) -> Iterator[None]:
        yield
        self.world.until("their letters", lambda: self._letters() == self.doomed, self.options.seconds(_PATIENCE))
        self.set_aside = self._letters()
        self.redriven = True
        for job in self.jobs:
            if job.notes.get("doom") == "missing":
                self.world.upload(job)
        for _ in range(2):
            self.world.stack.playbook(
                "playbooks/redrive_dead_letters.yml", "-e", "redrive_all=true", "-e", f"redrive_rate={_RATE}"
            )
        prefix = self.jobs[0].job_id.rpartition("-")[0] + "-"
        patience = self.options.seconds(_PATIENCE) + 5 * len(self.doomed)
        self.world.until("the redriven jobs end", lambda: self.world.over(prefix) >= self.doomed, patience)

    def submit(self, job: Job) -> None:
        if job.notes.get("doom") == "missing":
            job.s3_key = f"{self.world.pipeline.settings['upload_prefix']}{job.job_id}/{job.job_id}.wav"
            self.world.pipeline.front_end.submit(job.job_id, job.s3_key)
        else:
            self.world.submit(job)

    def on_worker(self, worker: Worker) -> None:
        if not self.redriven and self.by_id[worker.job_id].notes.get("doom") == "killed":
            self.world.workers.signal(worker, "KILL")

    def judge(self, facts: Facts) -> list[str]:
        self.remarks.append(f"{len(self.doomed)} jobs were redriven")
        found = [] if self.set_aside == self.doomed else [f"set aside were {self.set_aside}, not {self.doomed}"]
        for job in self.jobs:
            row, doom = facts.rows.get(job.job_id, {}), job.notes.get("doom")
            lives, wanted = row.get("reopened"), 1 if doom else 0
            if lives != wanted:
                found.append(f"{job.job_id} was reopened {lives} times, not {wanted}")
            succeeded = [it for it in facts.terminal(job.job_id) if it["to_status"] == "succeeded"]
            if len(succeeded) != 1:
                found.append(f"{job.job_id} succeeded {len(succeeded)} times")
            tasks, planned = len(facts.tasks.get(job.job_id, [])), _ATTEMPTS[str(doom)] + 1 if doom else 1
            if tasks != planned:
                found.append(f"{job.job_id} ({doom or 'good'}) had {tasks} tasks, not {planned}")
        return found

    def _letters(self) -> set[str]:
        bodies = [letter.body for letter in self.world.dead_letters()]
        return {job_id for job_id in self.doomed if any(f'"{job_id}"' in body for body in bodies)}
