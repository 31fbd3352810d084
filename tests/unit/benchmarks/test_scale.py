"""The calculation behind docs/scale.md: known cases, what the page's sentences claim, and that the page is current."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.scale import costs, page, tables
from benchmarks.scale.figures import ROOT, Figure, Figures, Stack, load_figures, load_stack
from benchmarks.scale.model import DAY, Job, limits
from benchmarks.scale.resting import month_at_rest, thousand_jobs


@pytest.fixture
def job() -> Job:
    return page.mean_job()


def with_job_figures(job: Job, **values: float) -> Job:
    figures = {**job.figures.job, **{name: Figure(value, "test") for name, value in values.items()}}
    return replace(job, figures=replace(job.figures, job=figures))


def with_variables(job: Job, **values: object) -> Job:
    return replace(job, stack=replace(job.stack, variables={**job.stack.variables, **values}))


def allowed(job: Job, name: str) -> float:
    return next(limit.jobs_per_day for limit in limits(job) if limit.name == name)


def test_the_readme_tells_the_cost_at_rest_that_the_preflight_computes(job: Job) -> None:
    chapter = (ROOT / "README.md").read_text(encoding="utf-8").partition("## What it costs at rest")[2]
    told = [float(cell) for cell in re.findall(r"\| (\d+\.\d\d) \|$", chapter.partition("**sum**")[0], re.MULTILINE)]
    computed = [line.dollars for line in month_at_rest(job)]
    assert sorted(told) == pytest.approx(sorted(computed), abs=0.02)


@pytest.mark.parametrize(("nat", "dollars"), [("none", 1.48), ("single", 37.98), ("per_az", 110.98)])
def test_the_month_at_rest_follows_the_gateways(job: Job, nat: str, dollars: float) -> None:
    other = with_variables(job, network_nat=nat)
    assert sum(line.dollars for line in month_at_rest(other)) == pytest.approx(dollars, abs=0.02)


def test_what_jobs_add_does_not_depend_on_gateways(job: Job) -> None:
    other = with_variables(job, network_nat="per_az")
    assert thousand_jobs(other) == pytest.approx(thousand_jobs(job))
    assert 0.3 < thousand_jobs(job) < 1


def test_the_page_is_current(job: Job) -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.render(text, job) == text, "run `make docs` and commit what it writes"


def test_a_changed_default_makes_the_page_stale(job: Job) -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.render(text, with_variables(job, dispatch_max_concurrency=7)) != text
    assert page.render(text, replace(job, audio_minutes=21)) != text


def test_a_page_without_a_place_for_a_part_is_refused(job: Job) -> None:
    with pytest.raises(ValueError, match=r"lacks the lines <!-- answer"):
        page.render("# A page", job)


def test_check_says_what_is_stale(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "scale.md"
    copy.write_text(page.PAGE.read_text(encoding="utf-8").replace("RunTask", "RunTusk"), encoding="utf-8")
    monkeypatch.setattr(page, "PAGE", copy)
    assert page.main(["--check"]) == 1
    assert "make docs" in capsys.readouterr().err
    assert page.main([]) == 0
    assert page.main(["--check"]) == 0


def test_one_minute_of_work_in_a_new_account(job: Job) -> None:
    """6 vCPU, one each, 40 s of start and 60 s of work: 6 * 86,400 / 100, when nothing runs on Spot."""
    plain = with_job_figures(job, failed_share=0, spot_interrupted_share=0, overhead_seconds=60)
    plain = with_variables(replace(plain, audio_minutes=0), dispatch_spot_weight=0, dispatch_on_demand_weight=1)
    assert plain.running_seconds == 100
    assert allowed(plain, "Fargate vCPU, On-Demand") == pytest.approx(5184)
    assert limits(plain)[0].name == "Fargate vCPU, On-Demand"


def test_addresses_are_those_of_the_subnets_that_tasks_use(job: Job) -> None:
    small = with_variables(job, network_private_cidrs=["10.0.0.0/24", "10.0.1.0/24"])
    assert small.stack.addresses == 2 * 251
    public = with_variables(small, network_nat="none")
    assert public.stack.addresses == 3 * 4091
    assert public.stack.nat_gateways == 0


def test_limits_are_ordered_and_scale_with_their_cause(job: Job) -> None:
    order = [limit.jobs_per_day for limit in limits(job)]
    assert order == sorted(order)
    assert allowed(with_variables(job, dispatch_max_concurrency=4), "Dispatcher") == 2 * allowed(job, "Dispatcher")
    assert allowed(with_variables(job, compute_worker_cpu=2048), "Fargate vCPU, Spot") == pytest.approx(
        allowed(job, "Fargate vCPU, Spot") / 2
    )
    longer = replace(job, audio_minutes=60)
    assert allowed(longer, "RunTask") == allowed(job, "RunTask"), "a rate of starts does not know how long they run"
    assert allowed(longer, "Network interfaces") < allowed(job, "Network interfaces")


def test_a_pace_of_the_dispatcher_is_a_limit_of_its_own(job: Job) -> None:
    paced = with_variables(job, dispatch_run_task_rate=5)
    assert allowed(paced, "Pace of the dispatcher") == pytest.approx(5 * DAY / job.attempts)


def test_the_bill_of_one_task_by_hand(job: Job) -> None:
    """One vCPU, 2 GB and 20 GB of paid disk for 100 s: (0.04048 + 2 * 0.004445) * 0.475 + 20 * 0.000111, in hours."""
    plain = with_job_figures(job, failed_share=0, spot_interrupted_share=0, overhead_seconds=80)
    plain = with_variables(
        replace(plain, audio_minutes=0),
        dispatch_spot_weight=3,
        dispatch_on_demand_weight=1,
        compute_worker_cpu=1024,
        compute_worker_memory=2048,
        compute_worker_ephemeral_storage=40,
    )
    assert plain.billed_seconds == 100
    bill = {cost.name: cost.dollars for cost in costs.pipeline_costs(plain, 1)}
    assert bill["Fargate"] == pytest.approx(0.04937 * 0.475 * 100 / 3600)
    assert bill["Ephemeral storage"] == pytest.approx(20 * 0.000111 * 100 / 3600)


def test_a_short_task_is_billed_for_a_minute(job: Job) -> None:
    assert replace(job, audio_minutes=1).billed_seconds == 60


def test_what_the_page_says_in_words(job: Job) -> None:
    bill = {cost.name: cost.dollars for cost in costs.pipeline_costs(job, tables.GOAL)}
    assert costs.without_endpoint(job, tables.GOAL) > sum(bill.values()), "the endpoint is worth more than all else"
    assert bill["S3 requests"] > bill["Queues"] + bill["Functions"] + bill["Logs"]
    assert limits(job)[0].name.startswith("Fargate vCPU")
    assert allowed(job, "Dispatcher") >= allowed(job, "RunTask") * 0.99 or job.stack.run_task_rate
    assert job.heartbeats > job.writes / 2, "most writes are heartbeats"
    assert job.stack.fifo_high_throughput
    below = tables.pool_pays_below(job)
    at, after = (costs.pool(replace(job, audio_minutes=minutes)) for minutes in (below - 0.5, below))
    assert at.warm(tables.BUSY) <= at.per_task
    assert after.warm(tables.BUSY) > after.per_task
    assert costs.pool(replace(job, audio_minutes=1)).break_even < costs.pool(replace(job, audio_minutes=60)).break_even


def test_a_backlog_grows_only_while_more_come_than_start(job: Job) -> None:
    assert costs.rush(job, 100_000).wait_minutes == 0
    busy = costs.rush(job, 2_000_000)
    assert busy.wait_minutes == pytest.approx(
        (busy.arriving - busy.started) * job.guess("busy_hours") * 60 / busy.started
    )


def test_every_figure_has_a_source_and_a_date() -> None:
    figures: Figures = load_figures()
    for figure in [*figures.quota.values(), *figures.price.values()]:
        assert figure.value > 0
        assert len(figure.source) > 10
        assert figure.seen == "not checked" or figure.seen.startswith("20")
    assert all(figure.source for figure in figures.job.values())


def test_the_stack_is_read_from_the_roles() -> None:
    stack: Stack = load_stack(ROOT)
    assert 0 <= stack.spot_share <= 1
    assert stack.reconciler_concurrency >= 2
    assert stack.number("dispatch_max_concurrency") >= 2


@pytest.mark.parametrize(
    ("number", "text"), [(5184.0, "5,180"), (1_672_345, "1,670,000"), (12.34, "12"), (float("inf"), "no bound")]
)
def test_numbers_have_the_digits_of_a_plan(number: float, text: str) -> None:
    assert tables.rounded(number) == text
