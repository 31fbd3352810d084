"""The command line: clean a file on a laptop exactly as the task does in the cloud."""

import argparse
import json
import shutil
import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import Any, Self, TextIO

from tamma_worker import page
from tamma_worker.clean import REPORT, RESULTS, clean
from tamma_worker.control import Control
from tamma_worker.errors import EXIT_OK, BadInputError, MissingInputError
from tamma_worker.presets import CHANGEABLE, DEFAULT, all_presets, preset

_BAR = 32  # characters


def main(arguments: list[str]) -> int:
    """Parse the command line and run it; expected problems are raised as WorkerError."""
    options = _parser().parse_args(arguments)
    return _report(Path(options.folder)) if options.command == "report" else _clean(options)


def _report(folder: Path) -> int:
    written = page.write(folder).absolute()
    print(written)
    webbrowser.open(written.as_uri())
    return EXIT_OK


def _clean(options: argparse.Namespace) -> int:
    recording, folder = Path(options.recording), Path(options.folder)
    if not recording.is_file():
        raise MissingInputError("missing_input", f'There is no file "{recording}".')
    if recording.name in RESULTS and folder.is_dir() and recording.resolve().parent == folder.resolve():
        raise BadInputError(
            "own_result", f'"{recording}" would be overwritten by its own result: choose another folder, or rename it.'
        )
    chosen = preset(options.preset, dict(map(_setting, options.set)))
    folder.mkdir(parents=True, exist_ok=True)
    # results appear all at once: a failed or interrupted run leaves the folder as it was
    with tempfile.TemporaryDirectory(dir=folder, prefix=".tamma-") as scratch:
        with ProgressBar(sys.stderr) as bar:
            report = clean(recording, Path(scratch), chosen, Control(bar.show))
        written = sorted(path.name for path in Path(scratch).iterdir())
        if (folder / REPORT).is_file():  # of an earlier recording: what is not written again would be the old one's
            for name in {*RESULTS, page.PAGE}.difference(written):
                (folder / name).unlink(missing_ok=True)
        for name in written:
            shutil.move(Path(scratch) / name, folder / name)
    _summarise(report, [folder / name for name in written])
    return EXIT_OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tamma_worker",
        description="Without arguments: run the job that the environment describes (an ECS task).",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("clean", help="clean a recording on this machine")
    command.add_argument("recording", help="audio or video file")
    command.add_argument("folder", help="where the audio files, pictures and report.json go")
    command.add_argument("--preset", choices=all_presets(), default=DEFAULT, help=f"what is done; {DEFAULT} by default")
    command.add_argument(
        "--set",
        metavar="FIELD=VALUE",
        action="append",
        default=[],
        help=f"change a field of the preset, several times if wanted: {', '.join(CHANGEABLE)}",
    )
    command = commands.add_parser("report", help="open the page that shows a recording before and after")
    command.add_argument("folder", help="a folder that clean has filled")
    return parser


def _setting(text: str) -> tuple[str, object]:
    """Read ``loudness_lufs=-18``, ``hum=false`` or ``formats=mp3,opus`` as a message would have it."""
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value.split(",")


def _summarise(report: dict[str, Any], written: list[Path]) -> None:
    for when in ("before", "after"):
        loudness = report["loudness"][when]
        print(
            f"{when:>6}: {_number(loudness['integrated_lufs'])} LUFS, peak {_number(loudness['true_peak_dbtp'])} dBTP"
        )
    for note in report["notes"]:
        print(f"  note: {note}")
    for path in written:
        print(f"        {path}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


class ProgressBar:
    """One line that is redrawn on a terminal; without one, a line at every tenth."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._shown: tuple[int, str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal and self._shown is not None:
            self._stream.write("\n")

    def show(self, fraction: float, step: str) -> None:
        """Draw ``fraction`` (0-1) and the name of the step, when they differ from what is shown."""
        percent = int(fraction * 100)
        state = (percent if self._terminal else percent // 10 * 10, step if self._terminal else "")
        if state == self._shown:
            return
        self._shown = state
        if self._terminal:
            full = round(fraction * _BAR)
            self._stream.write(f"\r[{'#' * full}{'.' * (_BAR - full)}] {percent:3} % {step:<12}")
        else:
            self._stream.write(f"{state[0]:3} % {step}\n")
        self._stream.flush()
