-- Who may do what: a signed-in user reads own rows, the service role writes, nobody else sees anything.
-- Hosted Supabase grants everything in schema public to these roles by default, so it is taken away first.

alter table public.jobs enable row level security;
alter table public.jobs_events enable row level security;

revoke all on table public.jobs, public.jobs_events from public, anon, authenticated, service_role;
revoke all on sequence public.jobs_events_id_seq from public, anon, authenticated;
grant select on table public.jobs, public.jobs_events to authenticated;
grant select, insert, update, delete on table public.jobs to service_role;
grant select, insert on table public.jobs_events to service_role;

-- "(select auth.uid())" is evaluated once per query instead of once per row.
create policy jobs_read_own on public.jobs for select to authenticated
  using ((select auth.uid()) = user_id);
create policy jobs_events_read_own on public.jobs_events for select to authenticated
  using ((select auth.uid()) = user_id);
-- Hosted Supabase's service_role bypasses row-level security; on plain PostgreSQL these say the same.
create policy jobs_service on public.jobs for all to service_role using (true) with check (true);
create policy jobs_events_service on public.jobs_events for all to service_role using (true) with check (true);

do $$
declare
  routine regprocedure;
begin
  for routine in
    select oid::regprocedure from pg_catalog.pg_proc
    where pronamespace = 'public'::regnamespace
      and proname in (
        'job_bound_reached', 'claim_job', 'release_job', 'attach_task', 'start_job', 'heartbeat_job', 'complete_job',
        'fail_job', 'retry_job', 'expired_jobs', 'due_retries', 'due_dead_letters', 'dead_letter_sent',
        'jobs_write_history', 'jobs_refuse_leaving_the_end'
      )
  loop
    execute format('revoke execute on function %s from public, anon, authenticated', routine);
    execute format('grant execute on function %s to service_role', routine);
  end loop;
end;
$$;

-- Supabase Realtime shows changes of own rows. The default replica identity (primary key) is enough for that: "full"
-- would write each old row to the log at every heartbeat.
do $$
begin
  if exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime')
    and not exists (
      select from pg_catalog.pg_publication_tables
      where pubname = 'supabase_realtime' and schemaname = 'public' and tablename = 'jobs'
    ) then
    alter publication supabase_realtime add table public.jobs;
  end if;
end;
$$;

-- PostgREST learns of new functions at once; nobody listening is no error.
notify pgrst, 'reload schema';
