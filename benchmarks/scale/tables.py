"""The tables of docs/scale.md."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from benchmarks.scale.costs import (
    average_rate,
    compute_second,
    disk_second,
    ec2_break_even,
    pipeline_costs,
    pool,
    recording_costs,
    rush,
    without_endpoint,
)
from benchmarks.scale.figures import Figure
from benchmarks.scale.model import SECRET_READS, Job, limits

GOAL = 1_000_000  # jobs a day
LENGTHS = (1, 5, 20, 60, 180)  # minutes of audio
BUSY = 0.6  # of a warm pool's time, an ordinary value for one that scales with the queue
HEADROOM = 1.2
THOUSAND, CENTS_BELOW = 1000, 10


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; headings that begin with ">" are of numbers."""
    head = " | ".join(heading.removeprefix(">") for heading in headings)
    rule = " | ".join("---:" if heading.startswith(">") else "---" for heading in headings)
    return "\n".join([f"| {head} |", f"| {rule} |", *(f"| {' | '.join(row)} |" for row in rows)])


def rounded(number: float) -> str:
    """Return a number with as many digits as a plan needs: two significant ones, or three above a thousand."""
    if math.isinf(number):
        return "no bound"
    digits = 3 if number >= THOUSAND else 2
    return f"{float(f'{number:.{digits}g}'):,.10g}"


def dollars(amount: float) -> str:
    """Return an amount with cents below ten dollars."""
    return f"{amount:,.2f}" if amount < CENTS_BELOW else f"{amount:,.0f}"


def answer(job: Job) -> str:
    """Return the page's first lines: what binds first and what a day costs."""
    ordered = limits(job)
    first, after = ordered[0], [limit for limit in ordered if limit.jobs_per_day >= GOAL]
    below = [limit.name for limit in ordered if limit.jobs_per_day < GOAL]
    costs = pipeline_costs(job, GOAL)
    return (
        f"The default stack in a new account does **{rounded(first.jobs_per_day)} jobs a day** and stops at "
        f"“{first.name}”. Of all limits {len(below)} are below a million: {', '.join(below)}. The next one is "
        f"“{after[0].name}” at {rounded(after[0].jobs_per_day)}. A million jobs of {job.audio_minutes:g} minutes cost "
        f"**${dollars(sum(cost.dollars for cost in costs))} a day** in the pipeline "
        f"(${1000 * sum(cost.dollars for cost in costs) / GOAL:.2f} for a thousand), recordings not counted."
    )


def job_table(job: Job) -> str:
    """Return the mean job in numbers."""
    return table(
        [f"a job of {job.audio_minutes:g} minutes", ">value"],
        [
            ("work of the worker", f"{job.work_seconds:.0f} s"),
            ("counts against the vCPU quota", f"{job.running_seconds:.0f} s"),
            ("holds an address", f"{job.address_seconds:.0f} s"),
            ("is billed", f"{job.billed_seconds:.0f} s"),
            ("tasks, with retries", f"{job.attempts:.3f}"),
            ("writes to the database, heartbeats included", f"{job.writes:.0f}"),
            ("recording in, result out", f"{job.input_bytes / 1e6:.1f} MB, {job.output_bytes / 1e6:.1f} MB"),
        ],
    )


def limits_table(job: Job) -> str:
    """Return every limit in the order in which they bind."""
    return table(
        ["limit", "by default", ">jobs a day", "what to do"],
        [(limit.name, limit.default, rounded(limit.jobs_per_day), limit.remedy) for limit in limits(job)],
    )


def needs_table(job: Job) -> str:
    """Return what a million jobs a day need at their busiest, and where it is set."""
    return table(["need at the busiest hour", ">value", "where"], _needs(job))


def _needs(job: Job) -> list[tuple[str, str, str]]:
    busiest, stack = rush(job, GOAL), job.stack
    starts = busiest.started * job.attempts
    vcpu, held = starts * job.running_seconds * job.vcpu, starts * job.address_seconds
    groups = math.ceil(starts * job.guess("dispatch_seconds"))
    lanes = math.ceil(groups / stack.number("dispatch_batch_size"))
    set_lanes = stack.number("dispatch_max_concurrency")
    reads = job.figures.quota["parameter_reads_per_second"].value
    return [
        ("jobs that come", f"{busiest.arriving:.1f}/s", f"average of the day {average_rate(GOAL):.1f}/s"),
        ("tasks that start", f"{starts:.1f}/s", "quota of RunTask; beyond it the queue holds the rest"),
        ("longest wait for a start", f"{busiest.wait_minutes:.0f} min", "`alarms_oldest_job_seconds` above it"),
        ("Fargate Spot vCPU", _asked(vcpu * stack.spot_share), "quota, with 20 % to spare"),
        ("Fargate On-Demand vCPU", _asked(vcpu * (1 - stack.spot_share)), "quota, with 20 % to spare"),
        ("network interfaces, addresses", rounded(held), f"there are {stack.addresses:,} addresses"),
        ("batches at once", f"{lanes}", f"`dispatch_max_concurrency` is {set_lanes:g}"),
        ("reads of Parameter Store", f"{starts * SECRET_READS:.0f}/s", f"an account has {reads:g}/s by default"),
        ("writes to the database", f"{busiest.started * job.writes:.0f}/s", "the plan of Supabase"),
        ("message groups in flight", f"at least {groups}", "group = `job_id`"),
    ]


def _asked(vcpu: float) -> str:
    return f"{math.ceil(vcpu * HEADROOM / 100) * 100:,}"


def cost_table(job: Job) -> str:
    """Return the bill of a day."""
    costs, kept = pipeline_costs(job, GOAL), recording_costs(job, GOAL)
    total = sum(cost.dollars for cost in costs)
    return table(
        ["a day of a million jobs", ">$", "hangs on"],
        [
            *((cost.name, dollars(cost.dollars), cost.depends) for cost in costs),
            ("**the pipeline**", f"**{dollars(total)}**", ""),
            *((cost.name, dollars(cost.dollars), cost.depends) for cost in kept),
        ],
    )


def levers_table(job: Job) -> str:
    """Return what one change saves or costs on a day of a million jobs."""
    tasks = GOAL * job.attempts

    def fargate(changed: Job, *, arm: bool = False) -> float:
        return tasks * changed.billed_seconds * compute_second(changed, arm=arm)

    now = fargate(job)
    small_disk = _with(job, compute_worker_ephemeral_storage=21)
    disk = tasks * job.billed_seconds * (disk_second(small_disk) - disk_second(job))
    put = job.figures.price["s3_put"].value
    week = recording_costs(_with(job, storage_raw_expiration_days=7), GOAL)[0].dollars
    rows = [
        ("S3 without its gateway endpoint", without_endpoint(job, GOAL)),
        ("everything On-Demand", fargate(_with(job, dispatch_spot_weight=0)) - now),
        ("everything on Spot", fargate(_with(job, dispatch_on_demand_weight=0)) - now),
        ("`compute_worker_architecture: ARM64`, if as fast", fargate(job, arm=True) - now),
        ("`compute_worker_ephemeral_storage: 21`", disk),
        ("`storage_raw_expiration_days: 7`", week - recording_costs(job, GOAL)[0].dollars),
        ("small outputs written with one PutObject", GOAL * (job.lean_puts - job.puts) * put),
    ]
    signed = [(name, f"{'+' if amount > 0 else '−'}{dollars(abs(amount))}") for name, amount in rows]  # noqa: RUF001 a minus
    return table(["change", ">$ a day"], signed)


def _with(job: Job, **variables: object) -> Job:
    return replace(job, stack=replace(job.stack, variables={**job.stack.variables, **variables}))


def pool_table(job: Job) -> str:
    """Return a task for each job beside a warm pool, by the length of the recordings."""
    pools = [pool(replace(job, audio_minutes=minutes)) for minutes in LENGTHS]
    return table(
        [
            ">minutes of audio",
            ">work s",
            ">billed s",
            ">a task each, $ per 1,000",
            f">pool {BUSY:.0%} busy, $ per 1,000",
            ">pool pays above",
            ">EC2 pays above",
        ],
        [
            (
                f"{each.job.audio_minutes:g}",
                f"{each.job.work_seconds:.0f}",
                f"{each.job.billed_seconds:.0f}",
                f"{each.per_task:.2f}",
                f"{each.warm(BUSY):.2f}",
                _share(each.break_even),
                _share(ec2_break_even(each.job)),
            )
            for each in pools
        ],
    )


def pool_pays_below(job: Job) -> float:
    """Return the minutes of audio below which a pool that is ``BUSY`` costs less than a task for each job."""
    for half_minutes in range(1, 1000):
        compared = pool(replace(job, audio_minutes=half_minutes / 2))
        if compared.warm(BUSY) > compared.per_task:
            return half_minutes / 2
    return math.inf


def pool_sentence(job: Job) -> str:
    """Return the table of pools and the length at which they change places."""
    return (
        f"{pool_table(job)}\n\nA pool that is busy {BUSY:.0%} of its time costs less than a task for each job while "
        f"the mean recording is shorter than **{pool_pays_below(job):g} minutes**."
    )


def _share(share: float) -> str:
    return f"{share:.0%} busy" if share < 1 else "never"


def figures_table(job: Job) -> str:
    """Return every figure with its source."""

    def row(name: str, figure: Figure) -> tuple[str, str, str, str]:
        return (figure.name or name.replace("_", " "), f"{figure.value:.10g}", figure.source, figure.seen or "assumed")

    figures = job.figures
    every = [*figures.job.items(), *figures.quota.items(), *figures.price.items()]
    return table(["figure", ">value", "source or reason", "seen"], [row(name, figure) for name, figure in every])
