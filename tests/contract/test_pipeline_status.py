"""The status page says what queues, tasks and jobs do, and in a sentence what cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.contract.emulators import Emulator
from tests.contract.operating import CLUSTER, DEAD_LETTERS, JOBS, Operated, body
from tests.unit.supabase.conftest import database, database_server  # noqa: F401 the fixtures of the schema's tests
from tests.unit.supabase.database import Database

from ansible.module_utils.tamma import pipeline_status, tables  # isort: skip - tests.contract shows it to Python


@pytest.fixture
def operated(
    emulator: Callable[[str], Emulator],
    database: Database,  # noqa: F811 the fixture, not the import
    monkeypatch: pytest.MonkeyPatch,
) -> Operated:
    return Operated(emulator("ministack"), database, monkeypatch)


def _page(operated: Operated, **options: Any) -> tuple[dict[str, Any], str]:
    given = {"title": "t", "queues": [JOBS, DEAD_LETTERS], "cluster": CLUSTER, **options}
    outcome = operated.run("pipeline_status_info", given)
    assert not outcome.changed
    assert outcome.writes == []
    return dict(outcome.result["status"]), "\n".join(outcome.result["report"])


def test_the_page_counts_messages_tasks_jobs_and_failures(operated: Operated) -> None:
    for name in ("talk-1", "talk-2"):
        operated.use_up(name)
    operated.sqs.send_message(
        QueueUrl=operated.jobs, MessageBody=body("x", 1), MessageGroupId="x", MessageDeduplicationId="x"
    )
    operated.ecs.register_task_definition(
        family="t-audio", containerDefinitions=[{"name": "worker", "image": "t", "memory": 512}]
    )
    operated.ecs.run_task(cluster=CLUSTER, taskDefinition="t-audio", count=3)
    stopped = operated.ecs.run_task(cluster=CLUSTER, taskDefinition="t-audio")["tasks"][0]["taskArn"]
    operated.ecs.stop_task(cluster=CLUSTER, task=stopped)
    operated.database.admin.execute(
        "insert into public.jobs (job_id, s3_key, queued_at) values ('old', 'uploads/a.wav', now() - interval '2 h')"
    )
    operated.claim("new", 1)
    status, page = _page(operated)
    assert [(it["name"], it["waiting"], it["in_flight"], it["oldest_seconds"]) for it in status["queues"]] == [
        (JOBS, 1, 0, None),
        (DEAD_LETTERS, 2, 0, None),
    ]
    assert [(it["family"], it["tasks"]) for it in status["tasks"]] == [("t-audio", 3)]
    assert {name: status["jobs"][name] for name in ("queued", "starting", "running", "retrying")} == {
        "queued": 1,
        "starting": 1,
        "running": 0,
        "retrying": 0,
    }
    assert status["jobs"]["failures"] == {"crashed": 2}
    assert "waiting longest: old (queued) for 2 h 0 min" in page
    assert "  crashed     2" in page
    assert "Failures of the last 24 h" in page


def test_what_is_not_deployed_is_a_sentence_in_its_place(operated: Operated) -> None:
    operated.rest.outages = [httpx.Response(404, json={"code": "PGRST202", "message": "no function"})]
    status, page = _page(operated, cluster="t-other")
    assert [it["waiting"] for it in status["queues"]] == [0, 0]
    assert "Jobs: cannot be read: the database has no jobs_overview as this version needs it; apply the new" in page
    assert "Tasks: cannot be read: there is no cluster t-other; deploy first" in page
    assert "Traceback" not in page


def test_nothing_deployed_is_one_sentence(operated: Operated) -> None:
    _, page = _page(operated, queues=["t-other.fifo"], cluster="t-other", supabase_url_parameter="/t/other")
    assert page == "t: cannot be read: there is no queue t-other.fifo; deploy first (`make converge`)."


@pytest.mark.parametrize("hours", [0, -1, 9_000])
def test_hours_that_make_no_sense_are_refused(operated: Operated, hours: int) -> None:
    given = {"title": "t", "queues": [JOBS], "cluster": CLUSTER, "hours": hours}
    outcome = operated.run("pipeline_status_info", given)
    assert outcome.failed
    assert "choose 1 to 8760" in outcome.message


def test_the_age_of_the_oldest_message_is_what_cloudwatch_knows_last() -> None:
    class CloudWatch:
        def get_metric_data(self, **asked: Any) -> dict[str, Any]:
            assert [it["MetricStat"]["Metric"]["Dimensions"][0]["Value"] for it in asked["MetricDataQueries"]] == [
                "a",
                "b",
            ]
            assert asked["EndTime"] - asked["StartTime"] == timedelta(minutes=10)
            # Newest first, which is the service's default.
            return {"MetricDataResults": [{"Id": "q0", "Values": []}, {"Id": "q1", "Values": [725.0, 60.0]}]}

    assert pipeline_status._ages(CloudWatch(), ["a", "b"]) == {"b": 725}


def test_a_job_in_every_state_has_its_line() -> None:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    jobs = {
        "queued": 0, "starting": 0, "running": 1, "retrying": 0, "expired_leases": 2, "pending_dead_letters": 3,
        "oldest_waiting": None, "hours": 1, "failures": {},
        "longest_running": {"job_id": "talk", "since": "2026-01-01T10:00:00+00:00", "progress": 0.5},
    }  # fmt: skip
    page = list(pipeline_status.lines("t", {"queues": [], "tasks": [], "jobs": jobs}, now))
    assert page[0] == "t at 2026-01-01 12:00:00 UTC"
    assert "  none runs" in page
    assert "  running longest: talk for 2 h 0 min, 50 % done" in page
    assert "  2 without a sign of life: the next sweep looks at them" in page
    assert "  3 failed, their dead letters are still to be sent" in page
    assert page[-1] == "  none"


def test_releases_are_listed_with_the_live_one_marked() -> None:
    release = {
        "release": "abc", "live": True, "image_tag": "t", "image_digest": f"sha256:{'1' * 64}", "commit": "c" * 40,
        "versions": {"f": "12", "g": "9"}, "since": "2026-01-01T10:00:00.000+0000",
    }  # fmt: skip
    older = {**release, "release": "def", "live": False, "image_digest": None, "versions": {"f": "11", "g": "9"}}
    facts = {"queues": [], "tasks": [], "jobs": "cannot be read", "releases": [release, older]}
    page = list(pipeline_status.lines("t", facts, datetime(2026, 1, 1, 12, tzinfo=UTC)))
    assert page[-4:] == [
        "Releases",
        "  RELEASE        VERSIONS  IMAGE                COMMIT        PUBLISHED (UTC)",
        "  abc      live  12/9      sha256:111111111111  cccccccccccc  2026-01-01 10:00",
        "  def            11/9      no image             cccccccccccc  2026-01-01 10:00",
    ]
    assert list(pipeline_status.lines("t", {**facts, "releases": []}, datetime.now(UTC)))[-1] == "  none was published"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "-"), (-3, "0 s"), (59.4, "59 s"), (61, "1 min 1 s"), (3_599, "59 min 59 s"), (7_260, "2 h 1 min"),
     (90_000, "1 d 1 h")],
)  # fmt: skip
def test_ages_are_told_in_two_units(seconds: float | None, words: str) -> None:
    assert pipeline_status.age(seconds) == words


def test_numbers_stand_to_the_right_in_a_table() -> None:
    assert tables.table(["NAME", "N"], [["a", "5"], ["long-name", "120"]]) == [
        "  NAME         N",
        "  a            5",
        "  long-name  120",
    ]
    assert tables.table(["NAME"], []) == []
