"""`make demo` as a person meets it: what it prints, and how it ends when something is wrong."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from tamma_demo import __main__ as demo

from tests.e2e import recordings
from tests.e2e.conftest import run_demo
from tests.e2e.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("late_upload")

STEPS = (
    "Start the embedded cloud", "Converge the stack", "Build the worker image", "Create the presign key",
    "Upload the recording (presigned PUT)", "Insert the row and send the message", "Clean it (queue, function, task)",
    "Download the result (presigned GET)",
)  # fmt: skip


def test_demo_succeeds_and_shows_the_time_of_each_step(stack: Pipeline) -> None:
    assert stack.demo.exit_code == 0, stack.demo.printed
    for step in STEPS:
        assert re.search(rf"{re.escape(step)}.* \d+\.\d s", stack.demo.printed), step


def test_demo_shows_the_loudness_that_the_result_has(stack: Pipeline) -> None:
    (folder,) = stack.demo.output.iterdir()
    measured = recordings.measure(folder / "audio.m4a")
    shown = re.search(r"Integrated .*?(-\d+\.\d) LUFS .*?(-\d+\.\d) LUFS", stack.demo.printed)
    assert shown is not None, stack.demo.printed
    assert float(shown[2]) == pytest.approx(measured.lufs, abs=0.2)
    assert float(shown[2]) == pytest.approx(-16, abs=0.5)
    report = json.loads((folder / "report.json").read_text())
    assert float(shown[1]) == pytest.approx(report["loudness"]["before"]["integrated_lufs"], abs=0.05)


def test_demo_says_where_the_results_are(stack: Pipeline) -> None:
    (folder,) = stack.demo.output.iterdir()
    for name in ("audio.m4a", "waveform.png", "report.json"):
        assert (folder / name).stat().st_size > 0
        assert str(folder / name) in stack.demo.printed


def test_demo_prints_no_secret(stack: Pipeline, cloud_state: Path) -> None:
    logs = "".join(path.read_text() for path in (cloud_state / "demo-logs").iterdir())
    assert "PLAY RECAP" in logs
    for secret in (
        stack.cloud.supabase_service_key, stack.cloud.secret_access_key, stack.cloud.supabase_jwt_secret,
        stack.settings["secret_access_key"],
    ):  # fmt: skip
        assert secret not in stack.demo.printed
        assert secret not in logs


def test_demo_of_what_is_no_recording_ends_with_the_sentence_of_its_job(
    stack: Pipeline,
    cloud_state: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    make, _code = recordings.BAD["text"]
    arguments = ["--file", str(make(tmp_path)), "--output", str(tmp_path / "output")]
    monkeypatch.setattr(sys, "argv", ["tamma_demo", *arguments])
    monkeypatch.setenv("TAMMA_LOCAL_DIR", str(cloud_state))
    # Everything is up already: the stages would converge once more, which takes longer than all other tests together.
    monkeypatch.setattr(demo, "STAGES", ())
    assert demo.main() == 1
    printed = "".join(capfd.readouterr())
    rows = stack.table.table("jobs").select("*").like("s3_key", "%/notes.mp3").like("job_id", "demo-%").execute().data
    (row,) = (dict(row) for row in rows)  # type: ignore[arg-type]  # the client types a row as any JSON
    assert row["error_code"] == "not_media"
    assert str(row["error_message"]) in " ".join(printed.split())
    assert "Traceback" not in printed
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("name", ["nowhere.wav", "."])
def test_demo_without_its_file_ends_at_once_with_a_sentence(cloud_state: Path, tmp_path: Path, name: str) -> None:
    ran = run_demo(cloud_state, "--file", str(tmp_path / name))
    assert ran.returncode == 1
    sentence = f"{tmp_path / name} is not a file: name a recording with FILE=path/to/recording."
    assert " ".join(ran.stdout.split()) == sentence
