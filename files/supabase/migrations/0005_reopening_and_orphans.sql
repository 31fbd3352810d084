-- A second life for a failed job, an end to waiting for ever, and heartbeats that touch no index.
-- Applies to a table in use: it reads the table twice and locks it meanwhile (docs/database.md has the time it took).

-- 1. Orphans. A row whose message never came, expired, or was deleted by its own duplicate must not wait for ever: what
-- waits has a time at which it is offered again, "queued" as well as "retrying". One message too many is harmless.
alter table public.jobs drop constraint jobs_retry_at_while_retrying;
drop index public.jobs_retry_idx;
update public.jobs set retry_at = now() + interval '1 hour' where status = 'queued';
alter table public.jobs
  add column reopened integer not null default 0,
  add constraint jobs_reopened_valid check (reopened >= 0),
  add constraint jobs_retry_at_while_waiting check ((status in ('queued', 'retrying')) = (retry_at is not null));

comment on column public.jobs.retry_at is 'When the next attempt is to be offered (again) to the jobs queue.';
comment on column public.jobs.reopened is 'How often an operator gave the failed job a second life (reopen_job).';

-- Only the rows that wait, because a constraint says that only they have a time.
create index jobs_waiting_idx on public.jobs (retry_at) where retry_at is not null;

-- A trigger and not a default: front ends write null for what they do not know, and rows of other states have none.
-- An hour, because the message of a new row is nearly always there and may stand behind a backlog.
create function public.jobs_offer_again() returns trigger
language plpgsql security invoker set search_path = '' as $$
begin
  new.retry_at = now() + interval '1 hour';
  return new;
end;
$$;

create trigger jobs_wait_with_a_time before insert on public.jobs
for each row when (new.status = 'queued' and new.retry_at is null) execute function public.jobs_offer_again();

-- The attempt goes back, uncounted. Its message is usually still in the queue and comes back within a minute; a claim
-- puts the offer off again. But a duplicate of it may have been acknowledged while the attempt was claimed, and with it
-- the message itself is gone: then the row is offered after p_hold_seconds.
create or replace function public.release_job(p_job_id text, p_attempt integer, p_hold_seconds integer default 300)
returns boolean
language plpgsql security invoker set search_path = '' as $$
begin
  update public.jobs set
    status = case when retrying_at is null then 'queued' else 'retrying' end,
    attempt = p_attempt - 1,
    lease_until = null,
    retry_at = now() + make_interval(secs => p_hold_seconds),
    task_arn = null,
    updated_at = now()
  where job_id = p_job_id and attempt = p_attempt and status = 'starting';
  return found;
end;
$$;

-- Hands out what is due and puts it off: a sweep that is asked again goes on with the next rows, and a row whose message
-- got lost comes back by itself. "Queued" is put off sixty times as long (an hour): a long backlog costs one message
-- per job and hour, not per minute. "Materialized" makes the limit hold whatever plan is chosen.
create or replace function public.due_retries(p_limit integer, p_hold_seconds integer default 60)
returns setof public.jobs
language sql volatile security invoker set search_path = '' as $$
  with due as materialized (
    select job_id from public.jobs
    where retry_at <= now()
    order by retry_at
    limit p_limit
    for update skip locked
  )
  update public.jobs as job set
    retry_at = now() + make_interval(secs => p_hold_seconds * case job.status when 'queued' then 60 else 1 end)
  from due where job.job_id = due.job_id
  returning job.*;
$$;

create or replace function public.due_dead_letters(p_limit integer, p_hold_seconds integer default 60)
returns setof public.jobs
language sql volatile security invoker set search_path = '' as $$
  with due as materialized (
    select job_id from public.jobs
    where dead_letter_at <= now()
    order by dead_letter_at
    limit p_limit
    for update skip locked
  )
  update public.jobs as job set dead_letter_at = now() + make_interval(secs => p_hold_seconds)
  from due where job.job_id = due.job_id
  returning job.*;
$$;

-- 2. Reopening: an operator's deliberate second life of a failed job. The sweep offers it, so nothing else has to happen.
-- Interruptions stay counted: they choose on-demand capacity. The error stays to be read until the next claim.
create function public.reopen_job(p_job_id text, p_attempt integer, p_delay_seconds integer default 0) returns boolean
language plpgsql security invoker set search_path = '' as $$
begin
  update public.jobs set
    status = 'retrying',
    reopened = reopened + 1,
    failed_attempts = 0,
    start_failures = 0,
    missing_inputs = 0,
    memory_failures = 0,
    retry_at = now() + make_interval(secs => greatest(coalesce(p_delay_seconds, 0), 0)),
    dead_letter_at = null,
    failed_at = null,
    retrying_at = now(),
    updated_at = now()
  where job_id = p_job_id and attempt = p_attempt and status = 'failed';
  return found;
end;
$$;

-- A dead letter that comes back to the jobs queue, by whatever tool, is an operator's wish to reopen: it alone names the
-- attempt after the last one. Only a job that used up a bound has a dead letter; one that was refused or cancelled stays.
create function public.replay_job(p_job_id text, p_attempt integer) returns boolean
language plpgsql security invoker set search_path = '' as $$
begin
  perform from public.jobs
  where job_id = p_job_id and attempt = p_attempt - 1 and status = 'failed'
    and (failed_attempts + missing_inputs + memory_failures >= 5 or start_failures >= 10 or missing_inputs >= 4
      or memory_failures >= 2);
  return found and public.reopen_job(p_job_id, p_attempt - 1);
end;
$$;

-- Every other way out of an end stays closed to every writer. Reopening is told by its counter, which grows by one with
-- exactly this change and never otherwise: no ordinary UPDATE does that by mistake.
create or replace function public.jobs_refuse_leaving_the_end() returns trigger
language plpgsql security invoker set search_path = '' as $$
begin
  if old.status in ('succeeded', 'failed') then
    raise exception 'Job % has already %: its state is final.', old.job_id, old.status using errcode = 'check_violation';
  end if;
  raise exception 'Job % is %: only a failed job can be reopened.', old.job_id, old.status
    using errcode = 'check_violation';
end;
$$;

create or replace trigger jobs_end_is_final before update on public.jobs
for each row
when (
  (
    (old.status in ('succeeded', 'failed') and (new.status is distinct from old.status or new.attempt <> old.attempt))
    or new.reopened <> old.reopened
  )
  and not (
    old.status = 'failed' and new.status = 'retrying' and new.attempt = old.attempt and new.reopened = old.reopened + 1
  )
)
execute function public.jobs_refuse_leaving_the_end();

-- 3. Cost. No index knows lease_until any more, so a heartbeat changes no indexed column and stays on its page (HOT): no
-- index entry, nothing for vacuum. The sweep reads the rows that somebody works on, which are few, and sorts them. The key
-- is job_id, so that a transition finds its one row also where stale statistics make the planner prefer this index.
drop index public.jobs_lease_idx;
create index jobs_working_idx on public.jobs (job_id) where status in ('starting', 'running');
-- With p_skip a sweep goes on behind the rows that it leaves alone (tasks that wait for an instance), however many.
drop function public.expired_jobs(integer);
create function public.expired_jobs(p_limit integer, p_skip integer default 0) returns setof public.jobs
language sql stable security invoker set search_path = '' as $$
  select * from public.jobs
  where status in ('starting', 'running') and lease_until < now()
  order by lease_until, job_id
  limit p_limit offset p_skip;
$$;
-- What jobs_overview says about failures, without reading a row.
create index jobs_failed_idx on public.jobs (failed_at) include (error_code) where status = 'failed';
-- The planner has to know how few rows are in flight; a tenth of the table (the default) is too seldom.
alter table public.jobs set (autovacuum_analyze_scale_factor = 0.01, autovacuum_analyze_threshold = 1000);

-- What an operator looks at first: rows in flight and recent failures, never the rows that are over. Times are
-- timestamps with time zone; "failures" counts by error_code within the last p_hours.
create function public.jobs_overview(p_hours integer default 24) returns jsonb
language sql stable security invoker set search_path = '' as $$
  with in_flight as materialized (
    select job_id, status, attempt, interruptions, reopened, lease_until, running_at, progress, task_arn,
           coalesce(retrying_at, queued_at) as waiting_since
    from public.jobs where status in ('starting', 'running')
    union all
    select job_id, status, attempt, interruptions, reopened, lease_until, running_at, progress, task_arn,
           coalesce(retrying_at, queued_at)
    from public.jobs where retry_at is not null
  ),
  failures as (
    select error_code, count(*) as jobs from public.jobs
    where status = 'failed' and failed_at >= now() - make_interval(hours => p_hours)
    group by error_code
  )
  select jsonb_build_object(
    'queued', count(*) filter (where status = 'queued'),
    'starting', count(*) filter (where status = 'starting'),
    'running', count(*) filter (where status = 'running'),
    'retrying', count(*) filter (where status = 'retrying'),
    'retried', count(*) filter (where attempt > 1 or status = 'retrying'),
    'interrupted', count(*) filter (where interruptions > 0),
    'reopened', count(*) filter (where reopened > 0),
    'expired_leases', count(*) filter (where lease_until < now()),
    'pending_dead_letters', (select count(*) from public.jobs where dead_letter_at is not null),
    'oldest_waiting', (
      select jsonb_build_object('job_id', job_id, 'status', status, 'since', waiting_since)
      from in_flight where status in ('queued', 'retrying') order by waiting_since, job_id limit 1
    ),
    'longest_running', (
      select jsonb_build_object('job_id', job_id, 'attempt', attempt, 'since', running_at, 'progress', progress,
                                'task_arn', task_arn)
      from in_flight where status = 'running' order by running_at, job_id limit 1
    ),
    'hours', p_hours,
    'failures', (select coalesce(jsonb_object_agg(error_code, jobs), '{}') from failures)
  )
  from in_flight;
$$;

-- 4. Who may call what, as in 0004.
do $$
declare
  routine regprocedure;
begin
  for routine in
    select oid::regprocedure from pg_catalog.pg_proc
    where pronamespace = 'public'::regnamespace and proname in ('reopen_job', 'replay_job', 'expired_jobs', 'jobs_overview', 'jobs_offer_again')
  loop
    execute format('revoke execute on function %s from public, anon, authenticated', routine);
    execute format('grant execute on function %s to service_role', routine);
  end loop;
end;
$$;

notify pgrst, 'reload schema';
