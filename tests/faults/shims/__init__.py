"""Proxies in front of ECS, S3 and Supabase that spoil calls as these services do on a bad day.

`microburst` from PyPI was looked at for throttles, errors, latency and cuts, and left out. Its random draws have no
seed, and its deterministic ones depend on the resource alone: what fails once fails for ever. Here a call of a job
fails or not by the seed, the job, its attempt and how often it was tried, so a run can be repeated and a retry can
succeed. A 200 with `failures[]`, an answer lost after the work was done and a port that refuses connections were ours
to write in any case.
"""
