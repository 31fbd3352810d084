"""Stop or remove the task containers of one embedded cloud in a Docker engine. Runs under `.venv-cloud`.

`.venv-cloud/bin/python -m tamma_local.emulator.containers stop|remove <state folder> <seconds>`; DOCKER_HOST and the
like say where the engine is. Prints how many containers there were.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

# Every container carries the state folder of the cloud that started it: no other cloud's are touched.
LABEL = "tamma.state"
# The engine works on a few at a time; more only wait there.
_AT_A_TIME = 16


def main() -> None:
    """Do it; an engine that cannot be asked ends with one sentence and exit code 1."""
    docker = import_module("docker")
    action, state, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    try:
        containers = docker.from_env().containers.list(
            all=action == "remove", sparse=True, filters={"label": f"{LABEL}={state}"}
        )
    except docker.errors.DockerException as error:
        sys.exit(f"The Docker engine cannot be asked for task containers: {error}")
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        print(sum(pool.map(lambda container: _end(container, action, seconds), containers)))


def _end(container: Any, action: str, seconds: int) -> bool:
    """Stop, and remove when told to; False for a container that somebody else is just removing."""
    try:
        container.stop(timeout=seconds)
        if action == "remove":
            container.remove(v=True, force=True)
    except import_module("docker").errors.APIError as error:
        print(f"{container.id[:12]}: {error}", file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    main()
