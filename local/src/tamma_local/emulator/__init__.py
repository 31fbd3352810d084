"""What the emulator does that ministack alone does not. Runs under `.venv-cloud`: nothing of `.venv` is there."""
