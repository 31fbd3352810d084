"""Tasks as processes, behind the part of the Docker API that the emulator speaks."""
