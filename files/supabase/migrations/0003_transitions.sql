-- The state machine: every transition is one conditional UPDATE that says whether it won.
-- Losing is no error: it means that somebody else decided first, and the caller has nothing more to do.

-- Would one more event of this reason use up a bound? The number after which a job fails:
--   5 attempts that count (failure, missing_input and memory together), 3 waits for a late upload, 1 larger memory
--   size, 10 starts that never became a task. Interruptions have no bound.
create function public.job_bound_reached(p_job public.jobs, p_reason text) returns boolean
language sql immutable security invoker set search_path = '' as $$
  select case p_reason
    when 'interruption' then false
    when 'start_failure' then p_job.start_failures + 1 >= 10
    else p_job.failed_attempts + p_job.missing_inputs + p_job.memory_failures + 1 >= 5
      or (p_reason = 'missing_input' and p_job.missing_inputs >= 3)
      or (p_reason = 'memory' and p_job.memory_failures >= 1)
  end;
$$;

-- A message without a row (a front end that only sends messages) makes the row. What runs is what the message says.
create function public.claim_job(
  p_job_id text, p_attempt integer, p_s3_key text, p_pipeline text, p_preset text, p_lease_seconds integer
) returns boolean
language plpgsql security invoker set search_path = '' as $$
begin
  insert into public.jobs as job (job_id, s3_key, pipeline, preset, status, attempt, lease_until, starting_at)
  values (p_job_id, p_s3_key, p_pipeline, p_preset, 'starting', p_attempt,
          now() + make_interval(secs => p_lease_seconds), now())
  on conflict (job_id) do update set
    status = 'starting',
    attempt = p_attempt,
    s3_key = p_s3_key,
    pipeline = p_pipeline,
    preset = coalesce(p_preset, job.preset),
    lease_until = now() + make_interval(secs => p_lease_seconds),
    retry_at = null,
    task_arn = null,
    progress = 0,
    error_code = null,
    error_message = null,
    starting_at = now(),
    updated_at = now()
  where job.status in ('queued', 'retrying') and job.attempt = p_attempt - 1;
  return found;
end;
$$;

-- The attempt goes back, uncounted. Its message is still in the queue; should it get lost, a row that had been
-- retrying is offered again after p_hold_seconds.
create function public.release_job(p_job_id text, p_attempt integer, p_hold_seconds integer default 300)
returns boolean
language plpgsql security invoker set search_path = '' as $$
begin
  update public.jobs set
    status = case when retrying_at is null then 'queued' else 'retrying' end,
    attempt = p_attempt - 1,
    lease_until = null,
    retry_at = case when retrying_at is not null then now() + make_interval(secs => p_hold_seconds) end,
    task_arn = null,
    updated_at = now()
  where job_id = p_job_id and attempt = p_attempt and status = 'starting';
  return found;
end;
$$;

-- The first task of an attempt stays noted: a twin never replaces it here, only by winning start_job.
create function public.attach_task(p_job_id text, p_attempt integer, p_task_arn text) returns boolean
language plpgsql security invoker set search_path = '' as $$
begin
  update public.jobs set task_arn = p_task_arn, updated_at = now()
  where job_id = p_job_id and attempt = p_attempt and status in ('starting', 'running')
    and (task_arn is null or task_arn = p_task_arn);
  return found;
end;
$$;

-- The owner asking again (its first answer got lost) wins again; running_at keeps the first time.
create function public.start_job(p_job_id text, p_attempt integer, p_task_arn text, p_lease_seconds integer)
returns boolean
language plpgsql security invoker set search_path = '' as $$
begin
  update public.jobs set
    status = 'running',
    task_arn = p_task_arn,
    lease_until = now() + make_interval(secs => p_lease_seconds),
    running_at = case when status = 'running' then running_at else now() end,
    updated_at = now()
  where job_id = p_job_id and attempt = p_attempt
    and (status = 'starting' or (status = 'running' and task_arn = p_task_arn));
  return found;
end;
$$;

-- Progress never goes back within an attempt.
create function public.heartbeat_job(
  p_job_id text, p_attempt integer, p_task_arn text, p_progress real, p_lease_seconds integer
) returns boolean
language plpgsql security invoker set search_path = '' as $$
begin
  update public.jobs set
    lease_until = now() + make_interval(secs => p_lease_seconds),
    progress = greatest(progress, least(coalesce(p_progress, 0), 1)),
    updated_at = now()
  where job_id = p_job_id and attempt = p_attempt and status = 'running' and task_arn = p_task_arn;
  return found;
end;
$$;

create function public.complete_job(p_job_id text, p_attempt integer, p_outputs jsonb) returns boolean
language plpgsql security invoker set search_path = '' as $$
begin
  update public.jobs set
    status = 'succeeded',
    lease_until = null,
    progress = 1,
    outputs = p_outputs,
    error_code = null,
    error_message = null,
    succeeded_at = now(),
    updated_at = now()
  where job_id = p_job_id and attempt = p_attempt and status in ('starting', 'running');
  return found;
end;
$$;

-- With p_task_arn the caller speaks for that task only: the end of a twin cannot fail the attempt of the winner.
create function public.fail_job(
  p_job_id text, p_attempt integer, p_error_code text, p_error_message text, p_task_arn text default null
) returns boolean
language plpgsql security invoker set search_path = '' as $$
begin
  update public.jobs set
    status = 'failed',
    lease_until = null,
    retry_at = null,
    error_code = p_error_code,
    error_message = p_error_message,
    failed_at = now(),
    updated_at = now()
  where job_id = p_job_id and attempt = p_attempt and status not in ('succeeded', 'failed')
    and (p_task_arn is null or task_arn is null or task_arn = p_task_arn);
  return found;
end;
$$;

-- Returns 'retrying', 'failed' (a bound was used up) or 'lost'. The two UPDATEs exclude one another.
create function public.retry_job(
  p_job_id text, p_attempt integer, p_reason text, p_error_code text, p_error_message text, p_delay_seconds integer,
  p_task_arn text default null
) returns text
language plpgsql security invoker set search_path = '' as $$
begin
  if p_reason is null
    or p_reason not in ('failure', 'interruption', 'start_failure', 'missing_input', 'memory') then
    raise exception 'retry_job: p_reason is %, and must be failure, interruption, start_failure, missing_input or memory.',
      coalesce(p_reason, 'null') using errcode = 'invalid_parameter_value';
  end if;

  update public.jobs as job set
    status = 'retrying',
    failed_attempts = failed_attempts + (p_reason = 'failure')::integer,
    interruptions = interruptions + (p_reason = 'interruption')::integer,
    start_failures = start_failures + (p_reason = 'start_failure')::integer,
    missing_inputs = missing_inputs + (p_reason = 'missing_input')::integer,
    memory_failures = memory_failures + (p_reason = 'memory')::integer,
    lease_until = null,
    retry_at = now() + make_interval(secs => greatest(coalesce(p_delay_seconds, 0), 0)),
    error_code = coalesce(p_error_code, p_reason),
    error_message = p_error_message,
    retrying_at = now(),
    updated_at = now()
  where job_id = p_job_id and attempt = p_attempt and status in ('starting', 'running')
    and (p_task_arn is null or task_arn is null or task_arn = p_task_arn)
    and not public.job_bound_reached(job, p_reason);
  if found then
    return 'retrying';
  end if;

  update public.jobs as job set
    status = 'failed',
    failed_attempts = failed_attempts + (p_reason = 'failure')::integer,
    start_failures = start_failures + (p_reason = 'start_failure')::integer,
    missing_inputs = missing_inputs + (p_reason = 'missing_input')::integer,
    memory_failures = memory_failures + (p_reason = 'memory')::integer,
    lease_until = null,
    dead_letter_at = now(),
    error_code = coalesce(p_error_code, p_reason),
    error_message = coalesce(p_error_message, 'The job was tried as often as is allowed and did not succeed.'),
    failed_at = now(),
    updated_at = now()
  where job_id = p_job_id and attempt = p_attempt and status in ('starting', 'running')
    and (p_task_arn is null or task_arn is null or task_arn = p_task_arn)
    and public.job_bound_reached(job, p_reason);
  return case when found then 'failed' else 'lost' end;
end;
$$;

create function public.expired_jobs(p_limit integer) returns setof public.jobs
language sql stable security invoker set search_path = '' as $$
  select * from public.jobs
  where status in ('starting', 'running') and lease_until < now()
  order by lease_until
  limit p_limit;
$$;

-- Hands out what is due and puts it off by p_hold_seconds: a sweep that is asked again goes on with the next rows, and
-- a row whose message got lost comes back by itself. The claim makes a message too many harmless.
create function public.due_retries(p_limit integer, p_hold_seconds integer default 60) returns setof public.jobs
language sql volatile security invoker set search_path = '' as $$
  update public.jobs set retry_at = now() + make_interval(secs => p_hold_seconds)
  where job_id in (
    select job_id from public.jobs
    where status = 'retrying' and retry_at <= now()
    order by retry_at
    limit p_limit
    for update skip locked
  )
  returning *;
$$;

-- Jobs that used up a bound and whose message to the dead-letter queue is not confirmed; handed out like due_retries.
create function public.due_dead_letters(p_limit integer, p_hold_seconds integer default 60) returns setof public.jobs
language sql volatile security invoker set search_path = '' as $$
  update public.jobs set dead_letter_at = now() + make_interval(secs => p_hold_seconds)
  where job_id in (
    select job_id from public.jobs
    where dead_letter_at <= now()
    order by dead_letter_at
    limit p_limit
    for update skip locked
  )
  returning *;
$$;

create function public.dead_letter_sent(p_job_id text, p_attempt integer) returns boolean
language plpgsql security invoker set search_path = '' as $$
begin
  update public.jobs set dead_letter_at = null
  where job_id = p_job_id and attempt = p_attempt and dead_letter_at is not null;
  return found;
end;
$$;
