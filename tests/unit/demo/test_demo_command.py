"""The demo's command line and its stages: every end is an exit code and a sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tamma_demo import __main__ as demo
from tamma_demo.front_end import DemoError, Job
from tamma_demo.stages import ROOT, STAGES, Stage, run

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command line and returns its exit code and what it printed, on one line."""

    def command(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["tamma_demo", *arguments])
        code = demo.main()
        return code, " ".join("".join(capsys.readouterr()).split())

    return command


def _ends_with(monkeypatch: pytest.MonkeyPatch, end: BaseException | bool) -> None:
    def run(_demo: object) -> bool:
        if isinstance(end, BaseException):
            raise end
        return end

    monkeypatch.setattr(demo.Demo, "run", run)


def test_missing_recording_is_found_before_anything_starts(command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _ends_with(monkeypatch, AssertionError("must not run"))
    assert command("--file", "/nowhere/[b]talk [/x].wav") == (
        1, "/nowhere/[b]talk [/x].wav is not a file: name a recording with FILE=path/to/recording.",
    )  # fmt: skip


@pytest.mark.parametrize(("end", "code", "sentence"), [
    (True, 0, ""),
    (False, 1, ""),
    (DemoError("fatal: [localhost]: FAILED! [/etc]"), 1, "fatal: [localhost]: FAILED! [/etc]"),
    (httpx.ConnectError("Connection refused"), 1, "Connection refused"),
    (KeyboardInterrupt(), 130, "Interrupted. What runs goes on; `make down` stops it."),
])  # fmt: skip
def test_every_end_has_its_exit_code_and_sentence(
    command: Run, monkeypatch: pytest.MonkeyPatch, end: BaseException | bool, code: int, sentence: str
) -> None:
    _ends_with(monkeypatch, end)
    got, printed = command()
    assert got == code
    assert sentence in printed
    assert "Traceback" not in printed


def test_failed_job_is_told_in_its_own_words(command: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class FrontEnd:
        def __init__(self, *_: Any) -> None: ...

        def upload(self, *_: Any) -> str:
            return "uploads/a.wav"

        def submit(self, *_: Any) -> None: ...

        def follow(self, job_id: str) -> list[Job]:
            return [Job(job_id, "failed", 0.0, 1, "This file is empty (0 bytes). [upload] the [/recording] again.")]

        def download(self, *_: Any) -> None:
            raise AssertionError("there is no result")

    for name in ("cloud.json", "presign_key.json"):
        (tmp_path / name).write_text('{"supabase_url": "", "supabase_service_key": "", "aws_endpoint_url": ""}')
    monkeypatch.setenv("TAMMA_LOCAL_DIR", str(tmp_path))
    monkeypatch.setattr(demo, "STAGES", ())
    monkeypatch.setattr(demo, "FrontEnd", FrontEnd)
    code, printed = command("--output", str(tmp_path / "output"))
    assert code == 1
    assert "The recording was not cleaned: This file is empty (0 bytes). [upload] the [/recording] again." in printed
    assert not (tmp_path / "output").exists()


def test_stage_keeps_its_output_in_a_log(tmp_path: Path) -> None:
    script = "import os, sys; print(os.getcwd(), os.environ['ANSIBLE_CONFIG']); print('to stderr', file=sys.stderr)"
    run(Stage("Do it", [sys.executable, "-c", script], "it.log"), tmp_path)
    lines = (tmp_path / "it.log").read_text().splitlines()
    assert sorted(lines) == sorted([f"{ROOT} {ROOT / 'ansible.cfg'}", "to stderr"])


def test_stage_that_fails_shows_the_end_of_its_output(tmp_path: Path) -> None:
    script = "import sys; [print('line', n) for n in range(100)]; sys.exit(4)"
    with pytest.raises(DemoError) as error:
        run(Stage("Do it", [sys.executable, "-c", script], "it.log"), tmp_path)
    text = str(error.value)
    assert text.startswith(f"Do it: failed with exit code 4. The whole output is in {tmp_path / 'it.log'}. Its end:")
    assert "line 99" in text
    assert "line 70\n" not in text


def test_stages_are_commands_that_exist() -> None:
    playbooks = [argument for stage in STAGES for argument in stage.argv if argument.endswith(".yml")]
    assert playbooks == ["site.yml", "playbooks/build_image.yml", "playbooks/create_presign_key.yml"]
    assert all((ROOT / playbook).is_file() for playbook in playbooks)
    assert all(Path(stage.argv[0]).is_file() for stage in STAGES)
