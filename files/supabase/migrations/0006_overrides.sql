-- What a message changes of its preset, kept with the job so that every attempt runs with the same.
alter table public.jobs
  add column overrides jsonb,
  add constraint jobs_overrides_valid check (jsonb_typeof(overrides) = 'object' and octet_length(overrides::text) <= 4096);

comment on column public.jobs.overrides is 'Fields of the preset that the message changes; null: none.';

-- The same as before, with one more value. Functions of the release before call it without and change nothing by it.
drop function public.claim_job(text, integer, text, text, text, integer);

create function public.claim_job(
  p_job_id text, p_attempt integer, p_s3_key text, p_pipeline text, p_preset text, p_lease_seconds integer,
  p_overrides jsonb default null
) returns boolean
language plpgsql security invoker set search_path = '' as $$
begin
  insert into public.jobs as job (job_id, s3_key, pipeline, preset, overrides, status, attempt, lease_until, starting_at)
  values (p_job_id, p_s3_key, p_pipeline, p_preset, p_overrides, 'starting', p_attempt,
          now() + make_interval(secs => p_lease_seconds), now())
  on conflict (job_id) do update set
    status = 'starting',
    attempt = p_attempt,
    s3_key = p_s3_key,
    pipeline = p_pipeline,
    preset = coalesce(p_preset, job.preset),
    overrides = coalesce(p_overrides, job.overrides),
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

-- Who may call it, as in 0004.
revoke execute on function public.claim_job(text, integer, text, text, text, integer, jsonb)
  from public, anon, authenticated;
grant execute on function public.claim_job(text, integer, text, text, text, integer, jsonb) to service_role;

notify pgrst, 'reload schema';
