"""What an environment costs in a month in which no job runs, and what a thousand jobs add to it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.scale.costs import Cost, pipeline_costs
from benchmarks.scale.figures import ROOT, read_yaml
from benchmarks.scale.model import Job

HOURS = 730  # of a month, as AWS's own calculator counts
_MINUTES = HOURS * 60
_MAPPINGS = ("fifo_request", "standard_request")  # the jobs queue and that of task events
THOUSAND = 1000


def month_at_rest(job: Job, root: Path = ROOT) -> list[Cost]:
    """Return US dollars a month without jobs, the dearest first; what is stored is not counted."""
    price, gateways = job.figures.price, job.stack.nat_gateways
    alarms = len(read_yaml(root / "roles/alarms/vars/main.yml")["__alarms_all"])
    sweep_gb_seconds = job.guess("sweep_seconds") * job.stack.number("dispatch_memory") / 1024
    sweep = sweep_gb_seconds * price["lambda_gb_second"].value + price["lambda_request"].value
    polls = _MINUTES * job.guess("idle_polls_per_minute")
    lines = [
        Cost("NAT gateways", gateways * HOURS * price["nat_hour"].value, "`network_nat`"),
        Cost("Their public addresses", gateways * HOURS * price["public_address_hour"].value, "`network_nat`"),
        Cost("Alarms", alarms * price["alarm_month"].value, "their number"),
        Cost("Empty queues that are asked", polls * sum(price[name].value for name in _MAPPINGS), "connections"),
        Cost("Sweeps", _MINUTES * sweep, "`dispatch_memory`"),
    ]
    return sorted((line for line in lines if line.dollars), key=lambda line: -line.dollars)


def thousand_jobs(job: Job) -> float:
    """Return US dollars that a thousand jobs add to a month: what does not depend on jobs is taken away."""
    return _sum(pipeline_costs(job, THOUSAND)) - _sum(pipeline_costs(job, 0))


def _sum(lines: list[Cost]) -> float:
    return sum(line.dollars for line in lines)
