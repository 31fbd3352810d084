"""What a heartbeat writes, as the schema is and as it was with an index on the lease."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from benchmarks.database.operations import HEARTBEAT, Connection, Operation, latencies
from benchmarks.database.stage import TASK

LEASE_INDEX = "create index jobs_lease_idx on public.jobs (lease_until) where status in ('starting', 'running')"
BEATS = 5  # of each running job


@dataclass(frozen=True)
class Heartbeats:
    """Per heartbeat: how many of 100 touched no index, bytes written to the log, milliseconds (median)."""

    hot: float
    log_bytes: float
    latency: float


def compare(admin: Connection, service: Connection) -> dict[str, Heartbeats]:
    """Let every running job beat, without and with the index."""
    found = {"as it is": _measure(admin, service)}
    admin.execute(LEASE_INDEX)
    found["with an index on lease_until"] = _measure(admin, service)
    admin.execute("drop index public.jobs_lease_idx")
    return found


def _measure(admin: Connection, service: Connection) -> Heartbeats:
    running = admin.execute("select job_id from public.jobs where status = 'running' order by job_id").fetchall()
    # The first change of a page after a checkpoint writes the whole page to the log: that is not the heartbeat's.
    beats = Operation("heartbeat_job", HEARTBEAT, [[job_id, TASK] for (job_id,) in running])
    latencies(service, beats)
    before = _counters(admin, service)
    measured = [milliseconds for _ in range(BEATS) for milliseconds in latencies(service, beats)]
    updates, hot, written = (after - was for after, was in zip(_counters(admin, service), before, strict=True))
    return Heartbeats(100 * hot / updates, written / updates, statistics.median(measured))


def _counters(admin: Connection, service: Connection) -> tuple[int, ...]:
    service.execute("select pg_stat_force_next_flush()")
    return admin.execute(
        """select n_tup_upd, n_tup_hot_upd, (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint
           from pg_stat_user_tables where relname = 'jobs'"""
    ).fetchall()[0]
