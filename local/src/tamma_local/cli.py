"""The commands of `python -m tamma_local`."""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tamma_local import bundle, docker_tasks, migrations, report
from tamma_local.cloud import AlreadyRunningError, Cloud, running_cloud, supervisor_pid
from tamma_local.errors import LocalCloudError
from tamma_local.layout import REPOSITORY, Layout
from tamma_local.layout import migrations as migrations_folder
from tamma_local.private_files import read_json
from tamma_local.processes import end_leftovers, lives, open_log, started_at
from tamma_local.supervisor import summary, supervise

# Tasks get 10 s, the emulator 15 and PostgreSQL 20 to stop; a supervisor that takes longer is killed.
_DOWN_SECONDS = 60
# Another `up` that is just starting the cloud: the longest a part may take, and a little.
_OTHER_START_SECONDS = 90
_POLL_SECONDS = 0.1
_NOT_RUNNING = 3
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0, 1 for an error told in one sentence, 3 for "not running"."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace, Layout], int] = options.command
    try:
        return command(options, Layout.from_environment())
    except LocalCloudError as error:
        print(error, file=sys.stderr)
    except AlreadyRunningError:
        print(
            "The embedded cloud of this folder is running or starting: `python -m tamma_local status`.", file=sys.stderr
        )
    except PermissionError as error:
        print(
            f"No permission for {error.filename or error}: was the state folder made by another user?", file=sys.stderr
        )
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # `env | head`: whoever reads has read enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tamma_local", description="The embedded cloud.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Callable[[argparse.Namespace, Layout], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=function)
        return added

    command("up", up, "Start the cloud in the background and wait until it is ready.")
    run_parser = command("run", run, "Run the cloud in the foreground until Ctrl-C.")
    run_parser.add_argument("--leash", action="store_true", help=argparse.SUPPRESS)
    down_parser = command("down", down, "Stop the cloud; its state is kept.")
    down_parser.add_argument("--wipe", action="store_true", help="delete the state as well")
    command("reset", reset, "Stop the cloud and delete its state.")
    command("status", status, "Say what runs where; exit code 3 when nothing does.")
    command("env", env, "Print export lines for any AWS or Supabase tool.")
    logs_parser = command("logs", logs, "Print the logs of the parts.")
    logs_parser.add_argument("part", nargs="?", choices=report.PARTS, help="one part alone")
    logs_parser.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    logs_parser.add_argument("-n", "--lines", type=int, default=100, help="lines of each part (default: 100)")
    bundle_parser = command("bundle", bundle_image, "Make the worker's image without an engine and push it.")
    bundle.add_arguments(bundle_parser)
    return parser


def up(_options: argparse.Namespace, layout: Layout) -> int:
    """Start the cloud unless it runs; a running one gets migrations that are new."""
    layout.create()
    if supervisor_pid(layout) is None:
        return _start(layout)
    cloud = _other_start(layout)
    if cloud is None:
        return _start(layout)
    print("The embedded cloud is running already.")
    if applied := migrations.apply(cloud.database_url, migrations_folder()):
        print(f"Migrations applied: {', '.join(applied)}.")
    print(summary(cloud, None))
    return 0


def _other_start(layout: Layout) -> Cloud | None:
    """Wait for a supervisor that another command has started; None when it ends instead."""
    deadline = time.monotonic() + _OTHER_START_SECONDS
    while supervisor_pid(layout) is not None:
        if cloud := running_cloud(layout):
            return cloud
        if time.monotonic() > deadline:
            raise LocalCloudError("The embedded cloud is neither ready nor gone: run `python -m tamma_local down`.")
        time.sleep(_POLL_SECONDS)
    return None


def _start(layout: Layout) -> int:
    """Start the supervisor in a session of its own and pass on what it says until it is ready or has failed."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tamma_local", "run", "--leash"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "local" / "src"), "TAMMA_LOCAL_DIR": str(layout.state)},
    )  # fmt: skip
    assert child.stdin  # noqa: S101 - both were asked for as pipes
    assert child.stdout  # noqa: S101
    try:
        said = child.stdout.read()
    except KeyboardInterrupt:
        # Letting go of the leash undoes the start.
        child.stdin.close()
        child.wait()
        print("Interrupted: nothing was left running.", file=sys.stderr)
        return _INTERRUPTED
    ready = running_cloud(layout) is not None
    print(said, end="", file=sys.stdout if ready else sys.stderr)
    # A supervisor that is ready goes on without us.
    return 0 if ready else child.wait() or 1


def run(options: argparse.Namespace, layout: Layout) -> int:
    """Run the cloud in this process."""
    if not options.leash:
        supervise(layout, lambda text: print(f"{text}\nCtrl-C stops it.", flush=True))
        return 0

    def announce(text: str) -> None:
        print(text, flush=True)
        _detach(layout)

    supervise(layout, announce, leash=sys.stdin.fileno())
    return 0


def _detach(layout: Layout) -> None:
    """Let go of the starter's pipes; what is still printed goes to the log."""
    with open_log(layout.log("supervisor")) as log:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(log.fileno(), stream.fileno())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)


def down(options: argparse.Namespace, layout: Layout) -> int:
    """Stop the cloud and wait for its end; clean up after one that crashed."""
    stopped = _stop(layout)
    left = end_leftovers(layout.processes_file)
    # A cloud that stopped cleanly has taken this file away, and its containers before that.
    crashed = read_json(layout.cloud_file)
    if crashed and crashed.get("task_engine") == "docker":
        docker_tasks.remove(layout, str(crashed["docker_host"]))
    layout.cloud_file.unlink(missing_ok=True)
    if left:
        print(f"Ended {left} process groups of a cloud that had crashed.")
    print("The embedded cloud is stopped." if stopped else "The embedded cloud is not running.")
    if options.wipe:
        layout.wipe()
        print(f"Its state in {layout.state} is deleted.")
    return 0


def reset(_options: argparse.Namespace, layout: Layout) -> int:
    """Stop and delete."""
    return down(argparse.Namespace(wipe=True), layout)


def _stop(layout: Layout) -> bool:
    """Ask the supervisor to stop and wait for its end; False when there was none."""
    asked: tuple[int, str] | None = None
    deadline = time.monotonic() + _DOWN_SECONDS
    # The lock is free a moment before the process is gone.
    while (pid := supervisor_pid(layout)) is not None or (asked and lives(*asked)):
        late = time.monotonic() > deadline
        # Its number is in the lock file a moment after the lock itself.
        if pid and (late or asked is None):
            asked = (pid, started_at(pid))
            os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        time.sleep(_POLL_SECONDS)
    return asked is not None


def status(_options: argparse.Namespace, layout: Layout) -> int:
    """Say what runs, and whether it answers."""
    cloud = running_cloud(layout)
    if cloud is None:
        starting = supervisor_pid(layout) is not None
        print(f"The embedded cloud is {'starting or stopping' if starting else 'not running: `make up` starts it'}.")
        return _NOT_RUNNING
    print(report.status(cloud))
    return 0


def env(_options: argparse.Namespace, layout: Layout) -> int:
    """Print export lines, quoted for a shell."""
    cloud = running_cloud(layout)
    if cloud is None:
        raise LocalCloudError("The embedded cloud is not running: start it with `make up`.")
    for name, value in environment(cloud, layout.presign_key_file).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def environment(cloud: Cloud, presign_key_file: Path) -> dict[str, str]:
    """Return the variables that point AWS and Supabase tools at the running cloud."""
    values = {
        "AWS_ENDPOINT_URL": cloud.aws_endpoint_url,
        "AWS_REGION": cloud.region,
        "AWS_DEFAULT_REGION": cloud.region,
        "AWS_ACCESS_KEY_ID": cloud.access_key_id,
        "AWS_SECRET_ACCESS_KEY": cloud.secret_access_key,
        "SUPABASE_URL": cloud.supabase_url,
        "SUPABASE_SERVICE_KEY": cloud.supabase_service_key,
        "SUPABASE_ANON_KEY": cloud.supabase_anon_key,
        "DATABASE_URL": cloud.database_url,
    }
    if presign := read_json(presign_key_file):
        values["TAMMA_PRESIGN_ACCESS_KEY_ID"] = str(presign["access_key_id"])
        values["TAMMA_PRESIGN_SECRET_ACCESS_KEY"] = str(presign["secret_access_key"])
    return values


def logs(options: argparse.Namespace, layout: Layout) -> int:
    """Print the last lines of the logs, and those to come when following."""
    parts = [options.part] if options.part else list(report.PARTS)
    report.show_logs(layout, parts, options.lines, follow=options.follow)
    return 0


def bundle_image(options: argparse.Namespace, _layout: Layout) -> int:
    """Make and push the image; prints its reference with digest."""
    print(bundle.run(options))
    return 0
