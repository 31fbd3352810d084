"""S3 on a bad day, as the workers see it: a reader of results sees a whole one or none, and nothing else stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.ledger import Facts
from tests.faults.scenario import Scenario
from tests.faults.shims import s3
from tests.faults.shims.between import workers_reach_s3_through
from tests.faults.shims.plan import HALF, LOST, TORN, Plan, Rule


class S3Errors(Scenario):
    """One call of five is refused; bodies break in both directions, before and after they took effect."""

    name = "s3_errors"
    fault = "S3 500/503 20 %, connections cut mid-transfer 10 %, answers lost 5 %"
    bound = "0 partial results visible, 0 multipart uploads left"

    def plan(self) -> None:
        self.spoiled = Plan(self.options.seed, [
            Rule(s3.BROKEN, 0.10),
            Rule(s3.BUSY, 1 / 9),  # of the nine tenths that are left: another 10 %
            Rule(HALF, 0.10, "GetObject"),
            Rule(TORN, 0.10, "PutObject"),
            Rule(TORN, 0.10, "UploadPart"),
            Rule(LOST, 0.05, "PutObject"),  # the manifest's too: the next try finds it taken, by itself
            Rule(LOST, 0.05, "*MultipartUpload"),
        ])  # fmt: skip

    @contextmanager
    def injected(self) -> Iterator[None]:
        with workers_reach_s3_through(self.world, s3.FaultyS3(self.world.cloud.aws_endpoint_url, self.spoiled)):
            self.spoiled.begin()
            yield

    def judge(self, facts: Facts) -> list[str]:
        """Whole results and no leftovers are looked at for every scenario; here they had reasons to be otherwise."""
        self.remarks.append(f"{sum(self.spoiled.met.values())} calls were spoiled: {dict(self.spoiled.met)}")
        found = [f"an unfinished upload: {key}" for key in facts.unfinished_uploads]
        wanted = ("GetObject: half", "PutObject: torn", "PutObject: lost")
        if len(self.jobs) >= 100:
            found += [f"no call met {name!r}, so nothing was proven" for name in wanted if name not in self.spoiled.met]
        if not self.spoiled.met:
            found.append("no call was spoiled, so nothing was proven")
        return found
