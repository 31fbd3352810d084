"""Cleans one recording: the container of the audio-clean task, and the same thing on a laptop.

Modules, from the outside in: ``__main__`` and ``cli`` (entry points), ``job`` (one ECS task), ``settings``,
``jobs_table`` (Supabase), ``heartbeat``, ``storage`` and ``publish`` (S3), ``clean`` (the work itself), ``probe``,
``listen``, ``chain``, ``encode``, ``waveform``, ``report``, ``presets`` (data in ``presets.toml``) and ``engine`` (one
ffmpeg process). Everything from ``clean`` inwards knows no cloud.
"""

__version__ = "0.1.0"
