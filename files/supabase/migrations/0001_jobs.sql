-- The table of jobs: one row per job, from "queued" to "succeeded" or "failed".
-- Runs unmodified on hosted Supabase and on any PostgreSQL >= 15 that has the roles anon, authenticated and
-- service_role and the function auth.uid(). The database must be UTF8.

create table public.jobs (
  job_id          text primary key,
  user_id         uuid,
  s3_key          text not null,
  pipeline        text,
  preset          text,
  status          text not null default 'queued',
  attempt         integer not null default 0,
  failed_attempts integer not null default 0,
  interruptions   integer not null default 0,
  start_failures  integer not null default 0,
  missing_inputs  integer not null default 0,
  memory_failures integer not null default 0,
  lease_until     timestamptz,
  retry_at        timestamptz,
  dead_letter_at  timestamptz,
  task_arn        text,
  progress        real not null default 0,
  error_code      text,
  error_message   text,
  outputs         jsonb,
  created_at      timestamptz not null default now(),
  queued_at       timestamptz not null default now(),
  starting_at     timestamptz,
  running_at      timestamptz,
  retrying_at     timestamptz,
  succeeded_at    timestamptz,
  failed_at       timestamptz,
  updated_at      timestamptz not null default now(),

  -- The message contract, so that no writer can store what the dispatcher would refuse.
  constraint jobs_job_id_valid check (job_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
  constraint jobs_s3_key_valid check (
    octet_length(s3_key) between 1 and 1024
    and s3_key !~ '^/'
    and s3_key !~ '(^|/)\.\.(/|$)'
    and s3_key !~ '[\u0001-\u001f\u007f-\u009f]'
  ),
  constraint jobs_pipeline_valid check (pipeline in ('audio-clean', 'video')),
  constraint jobs_preset_valid check (preset ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),

  constraint jobs_status_valid
    check (status in ('queued', 'starting', 'running', 'succeeded', 'failed', 'retrying')),
  constraint jobs_attempt_valid
    check (attempt >= 0 and (attempt > 0 or status in ('queued', 'retrying', 'failed'))),
  constraint jobs_counters_valid
    check (least(failed_attempts, interruptions, start_failures, missing_inputs, memory_failures) >= 0),
  constraint jobs_progress_valid check (progress between 0 and 1),

  -- What the sweeper relies on: nobody works without a lease, nothing waits without a time, no end without its reason.
  constraint jobs_lease_while_working check ((status in ('starting', 'running')) = (lease_until is not null)),
  constraint jobs_retry_at_while_retrying check ((status = 'retrying') = (retry_at is not null)),
  constraint jobs_outputs_when_succeeded check ((status = 'succeeded') = (outputs is not null)),
  constraint jobs_error_when_failed check (status <> 'failed' or (error_code is not null and error_message is not null)),
  constraint jobs_dead_letter_when_failed check (status = 'failed' or dead_letter_at is null)
)
-- Heartbeats rewrite rows in place: room on the page, and vacuum by count of dead rows rather than by a fifth of the table.
with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

comment on table public.jobs is 'One row per job. Written by the service role through the transition functions only.';
comment on column public.jobs.attempt is 'Number of the last attempt that was claimed; 0 before the first.';
comment on column public.jobs.lease_until is 'Until when the owner of the attempt is presumed alive.';
comment on column public.jobs.retry_at is 'When the next attempt is to be offered (again) to the jobs queue.';
comment on column public.jobs.dead_letter_at is 'When a message to the dead-letter queue is due; null: none is.';

-- Small at any size of the table: each holds only the rows in flight.
create index jobs_lease_idx on public.jobs (lease_until) where status in ('starting', 'running');
create index jobs_retry_idx on public.jobs (retry_at) where status = 'retrying';
create index jobs_dead_letter_idx on public.jobs (dead_letter_at) where dead_letter_at is not null;
-- "My jobs, newest first", and the row-level policy.
create index jobs_user_idx on public.jobs (user_id, created_at desc) where user_id is not null;

-- A terminal state is final for every writer, also for one that bypasses the transition functions.
create function public.jobs_refuse_leaving_the_end() returns trigger
language plpgsql security invoker set search_path = '' as $$
begin
  raise exception 'Job % has already %: its state is final.', old.job_id, old.status using errcode = 'check_violation';
end;
$$;

create trigger jobs_end_is_final before update on public.jobs
for each row
when (old.status in ('succeeded', 'failed') and (new.status is distinct from old.status or new.attempt <> old.attempt))
execute function public.jobs_refuse_leaving_the_end();
