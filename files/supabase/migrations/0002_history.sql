-- The history of every job: one row per change of state or attempt, written by a trigger, never changed.
-- Heartbeats are not history.

create table public.jobs_events (
  id            bigint generated always as identity primary key,
  job_id        text not null references public.jobs (job_id) on delete cascade,
  user_id       uuid,
  at            timestamptz not null default clock_timestamp(),
  attempt       integer not null,
  from_status   text,
  to_status     text not null,
  task_arn      text,
  error_code    text,
  error_message text
);

comment on table public.jobs_events is 'Every change of state of every job, in order of id.';

create index jobs_events_job_idx on public.jobs_events (job_id, id);

create function public.jobs_write_history() returns trigger
language plpgsql security invoker set search_path = '' as $$
begin
  insert into public.jobs_events (job_id, user_id, attempt, from_status, to_status, task_arn, error_code, error_message)
  values (new.job_id, new.user_id, new.attempt, case when tg_op = 'UPDATE' then old.status end, new.status,
          new.task_arn, new.error_code, new.error_message);
  return null;
end;
$$;

create trigger jobs_history_of_inserts after insert on public.jobs
for each row execute function public.jobs_write_history();

create trigger jobs_history_of_updates after update on public.jobs
for each row when (old.status is distinct from new.status or old.attempt is distinct from new.attempt)
execute function public.jobs_write_history();
