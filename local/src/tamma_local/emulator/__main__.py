# ruff: noqa: SLF001 - ministack has no public names for any of this; contract.py checks the private ones.
"""Start ministack with our additions: `.venv-cloud/bin/python -m tamma_local.emulator`.

Read from the environment, beside ministack's own variables: GATEWAY_PORT, TAMMA_TASK_ENGINE (`docker` or `process`),
TAMMA_LOCAL_DIR (the state folder) and TAMMA_TIME_SCALE (a factor on the emulator's timers, 1 by default).
"""

import os
import sys

from tamma_local.emulator import alarms, authorization, compressed, events, groups, iam, lifecycle, starting
from tamma_local.emulator.contract import ContractError, Ministack, load


def install(ministack: Ministack, *, port: str, processes: bool, state: str) -> None:
    """Put our wrappers where ministack looks its functions up."""
    ecs = ministack.ecs
    ecs._mark_task_stopped = lifecycle.stopped(ministack, ecs._mark_task_stopped)
    for name in ("_mark_task_pending", "_mark_task_running", "_mark_task_stopped"):
        setattr(ecs, name, events.announcing(ministack, getattr(ecs, name)))
    ecs._sanitize = lifecycle.seen_stopping(ecs._sanitize)
    ecs._register_metadata = starting.environment(ministack, ecs._register_metadata)
    ecs._resolve_container_secrets = starting.decrypted_secrets(ministack, ecs._resolve_container_secrets)
    ecs._build_run_kwargs = starting.run_arguments(ecs._build_run_kwargs, processes=processes, state=state)
    ecs._run_docker_container = starting.pulled_container(ministack, ecs._run_docker_container, port)
    ecs._ACTION_MAP["RunTask"] = ecs._run_task = lifecycle.running(ministack, ecs._run_task)
    judged = ministack.iam_actions
    judged.extract_iam_action = authorization.action(judged.extract_iam_action)
    judged.extract_resource_arn = authorization.resource(ministack, judged.extract_resource_arn)
    judged.request_tag_context = authorization.context(ministack, judged.request_tag_context)
    ministack.app.pin_request_origin = authorization.origin(ministack.app.pin_request_origin)
    ministack.cloudwatch._describe_alarms = alarms.describe(ministack, ministack.cloudwatch._describe_alarms)
    scaling = ministack.autoscaling
    scaling._ACTION_MAP["CreateAutoScalingGroup"] = groups.settled(ministack, scaling._create_asg)
    scaling._ACTION_MAP["UpdateAutoScalingGroup"] = groups.settled(ministack, scaling._update_asg)
    ministack.iam._IAM_HANDLERS.update(iam.handlers(ministack))
    ecs._ACTION_MAP["StopTask"] = ecs._stop_task = lifecycle.stopping(ministack, ecs._stop_task)


def main() -> None:
    """Check, install and serve until SIGTERM; a ministack that differs ends with one sentence and exit code 1."""
    try:
        ministack, factor = load(), compressed.read(os.environ)
    except ContractError as error:
        sys.exit(str(error))
    # ministack hands its whole environment to the functions that it runs: ours is not for them.
    os.environ.pop("PYTHONPATH", None)
    processes = os.environ.pop("TAMMA_TASK_ENGINE", "process") == "process"
    state = os.environ.pop("TAMMA_LOCAL_DIR")
    os.environ.pop("TAMMA_TIME_SCALE", None)
    install(ministack, port=os.environ["GATEWAY_PORT"], processes=processes, state=state)
    compressed.install(ministack, factor)
    ministack.app.main()


if __name__ == "__main__":
    main()
