"""What a day costs, and when another way to run the work costs less."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.scale.model import DAY, FREE_EPHEMERAL_GIB, GB, HOUR, KB, MB, MONTH_DAYS, Job

SEND_RECEIVE_DELETE = 3
BATCH = 10


@dataclass(frozen=True)
class Cost:
    """One line of the bill, in US dollars a day; ``depends`` names what it hangs on."""

    name: str
    dollars: float
    depends: str


def compute_second(job: Job, *, arm: bool = False) -> float:
    """Return the price of one second of a task, without its disk, in the mix of Spot and On-Demand."""
    price = job.figures.price
    kind = "fargate_arm" if arm else "fargate"
    hour = job.vcpu * price[f"{kind}_vcpu_hour"].value + job.memory_gb * price[f"{kind}_gb_hour"].value
    return hour / HOUR * (1 - job.stack.spot_share * price["spot_discount"].value)


def disk_second(job: Job) -> float:
    """Return the price of a second of the disk above what is free."""
    above = max(0.0, job.stack.number("compute_worker_ephemeral_storage") - FREE_EPHEMERAL_GIB)
    return above * job.figures.price["ephemeral_gb_hour"].value / HOUR


def pipeline_costs(job: Job, jobs: float) -> list[Cost]:
    """Return what the stack costs for a day of ``jobs``, the dearest first."""
    price = job.figures.price
    tasks = jobs * job.attempts
    minutes = job.work_seconds / 60
    logs = jobs * job.guess("function_log_kilobytes") + tasks * job.guess("task_log_kilobytes")
    insights = tasks * minutes * job.guess("insights_kilobytes_per_minute")
    gateways = job.stack.nat_gateways
    nat_hours = gateways * 24 * (price["nat_hour"].value + price["public_address_hour"].value)
    lines = [
        Cost("Fargate", tasks * job.billed_seconds * compute_second(job), "seconds of work and start, share of Spot"),
        Cost("Ephemeral storage", tasks * job.billed_seconds * disk_second(job), "`compute_worker_ephemeral_storage`"),
        Cost("S3 requests", jobs * (job.puts * price["s3_put"].value + 4 * price["s3_get"].value), "parts and outputs"),
        Cost("NAT", nat_hours + tasks * job.guess("nat_kilobytes") * KB / GB * price["nat_gb"].value, "`network_nat`"),
        Cost("Logs", logs * KB / GB * price["log_gb"].value, "`compute_worker_log_level`, `dispatch_log_level`"),
        Cost("Container Insights", insights * KB / GB * price["log_gb"].value, "`compute_container_insights`"),
        Cost("Queues", _queues(job, jobs, tasks), "batches"),
        Cost("Functions", _functions(job, jobs, tasks), "`dispatch_memory`, time of RunTask"),
        Cost("KMS", tasks * price["kms_request"].value, "one decryption for each task"),
        Cost("Database", price["database_month"].value / MONTH_DAYS, "the plan"),
    ]
    return sorted(lines, key=lambda line: -line.dollars)


def _queues(job: Job, jobs: float, tasks: float) -> float:
    price = job.figures.price
    fifo = jobs * (1 + 2 / BATCH) + (tasks - jobs) * SEND_RECEIVE_DELETE
    return fifo * price["fifo_request"].value + tasks * (1 + 2 / BATCH) * price["standard_request"].value


def _functions(job: Job, jobs: float, tasks: float) -> float:
    price = job.figures.price
    gb = job.stack.number("dispatch_memory") / 1024
    seconds = tasks * (job.guess("dispatch_seconds") + job.guess("reconcile_seconds"))
    return seconds * gb * price["lambda_gb_second"].value + (jobs + tasks) / BATCH * price["lambda_request"].value


def recording_costs(job: Job, jobs: float) -> list[Cost]:
    """Return what keeping and handing out the recordings costs, which is often the larger bill."""
    price = job.figures.price
    day = price["s3_gb_month"].value / MONTH_DAYS
    kept = job.stack.number("storage_raw_expiration_days")
    results = jobs * job.output_bytes / GB
    return [
        Cost("Raw recordings kept", jobs * job.input_bytes / GB * kept * day, "`storage_raw_expiration_days`"),
        Cost("One day's results, each month that they are kept", results * day * MONTH_DAYS, "nothing expires them"),
        Cost("Each result downloaded once", results * price["transfer_out_gb"].value, "a CDN"),
    ]


def without_endpoint(job: Job, jobs: float) -> float:
    """Return dollars a day that NAT would cost more without the gateway endpoint of S3: recordings, results, images."""
    moved = job.input_bytes + job.output_bytes + job.guess("image_megabytes") * MB
    return jobs * job.attempts * moved / GB * job.figures.price["nat_gb"].value


@dataclass(frozen=True)
class Pool:
    """A task for each job beside workers that stay; dollars are for a thousand jobs, without disk."""

    job: Job
    per_task: float
    warm_at_full: float

    @property
    def break_even(self) -> float:
        """The share of its time that a warm worker must work to cost no more than a task for each job."""
        return self.warm_at_full / self.per_task

    def warm(self, busy: float) -> float:
        """Return the dollars of a pool that works this share of its time."""
        return self.warm_at_full / busy


def pool(job: Job) -> Pool:
    """Compare on the same mix: both do the work, one starts each time, the other waits between jobs."""
    second = compute_second(job) * job.attempts * 1000
    return Pool(job, job.billed_seconds * second, job.work_seconds * (1 + job.guess("idle_per_busy_second")) * second)


def ec2_break_even(job: Job) -> float:
    """Return the share of EC2 that must be in use to cost what Fargate does for a job, both On-Demand."""
    price = job.figures.price
    fargate = job.vcpu * price["fargate_vcpu_hour"].value + job.memory_gb * price["fargate_gb_hour"].value
    ec2 = job.vcpu * price["ec2_vcpu_hour"].value
    return ec2 * (job.guess("warm_start_seconds") + job.work_seconds) / (fargate * job.billed_seconds)


@dataclass(frozen=True)
class Rush:
    """The busy hours of a day: jobs per second that come, that can be started, and the wait at the end in minutes."""

    arriving: float
    started: float
    wait_minutes: float


def rush(job: Job, jobs: float) -> Rush:
    """Return how the busy hours of a day go when tasks start as fast as the quota of RunTask lets them."""
    seconds = job.guess("busy_hours") * HOUR
    arriving = jobs * job.guess("busy_share") / seconds
    startable = job.figures.quota["run_task_per_second"].value / job.attempts
    backlog = max(0.0, arriving - startable) * seconds
    return Rush(arriving, min(arriving, startable), backlog / startable / 60)


def average_rate(jobs: float) -> float:
    """Return jobs per second over the day."""
    return jobs / DAY
