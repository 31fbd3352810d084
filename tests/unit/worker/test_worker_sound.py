"""What the worker promises about sound, measured on the encoded file by another implementation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tamma_worker import listen
from tamma_worker.clean import clean
from tamma_worker.control import Control
from tamma_worker.presets import preset

from tests.unit.worker import media

STEREO_CHORD = (
    "aevalsrc=0.3*sin(2*PI*220*t)*(0.6+0.4*sin(2*PI*1.5*t))|0.3*sin(2*PI*277*t)*(0.6+0.4*cos(2*PI*1.5*t)):s=44100"
)


def run(path: Path, folder: Path, name: str = "podcast") -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    return clean(path, folder, preset(name), Control())


def mono(path: Path) -> media.Floats:
    """What a player with one loudspeaker makes of it, at 16 kHz."""
    return media.samples(path, 16_000, 1)[:, 0]


CASES = {
    "as it is": ("anull", ("-c:a", "pcm_s16le"), "wav"),
    "very quiet": ("volume=-24dB", ("-c:a", "pcm_s24le"), "wav"),
    "clipped": ("volume=40dB", ("-c:a", "pcm_s16le"), "wav"),
    "over full scale": ("volume=36dB", ("-c:a", "pcm_f32le"), "wav"),
    "telephone": ("aresample=8000", ("-c:a", "pcm_mulaw"), "wav"),
    "192 kHz": ("aresample=192000", ("-c:a", "flac"), "flac"),
    "opus in webm": ("anull", ("-c:a", "libopus", "-b:a", "32k"), "webm"),
    "mp3": ("aresample=44100", ("-c:a", "libmp3lame", "-b:a", "64k"), "mp3"),
    "surround": ("pan=5.1|FC=c0|FL=0.3*c0|FR=0.3*c0|BL=0.1*c0", ("-c:a", "aac"), "mp4"),
}


@pytest.mark.parametrize("case", CASES)
def test_decoded_output_has_the_preset_loudness_and_peak(case: str, tmp_path: Path) -> None:
    filters, options, suffix = CASES[case]
    recording = media.speech(tmp_path / f"in.{suffix}", filters, *options)
    report = run(recording, tmp_path / "out")
    measured = media.measure(tmp_path / "out/audio.m4a", report["output"]["channels"])
    assert measured.lufs == pytest.approx(-16, abs=0.5)
    assert measured.dbtp <= -1.0
    told = report["loudness"]["after"]
    assert told["integrated_lufs"] == pytest.approx(measured.lufs, abs=0.1)
    assert told["true_peak_dbtp"] == pytest.approx(measured.dbtp, abs=0.3)


@pytest.mark.parametrize(
    ("name", "target"), [("broadcast", -23), ("streaming", -14), ("voice-note", -16), ("music", -14)]
)
def test_every_preset_reaches_its_own_loudness(name: str, target: float, tmp_path: Path) -> None:
    recording = media.tone(tmp_path / "in.flac", seconds=5, source=STEREO_CHORD)
    report = run(recording, tmp_path / "out", name)
    measured = media.measure(tmp_path / "out/audio.m4a", 2)
    assert measured.lufs == pytest.approx(target, abs=0.5)
    assert measured.dbtp <= -1.0
    assert report["output"]["channels"] == 2


def test_off_changes_nothing(tmp_path: Path) -> None:
    recording = media.speech(tmp_path / "in.wav")
    report = run(recording, tmp_path / "out", "off")
    assert [step["step"] for step in report["steps"]] == ["resample"]
    before, after = media.measure(recording), media.measure(tmp_path / "out/audio.m4a")
    assert after.lufs == pytest.approx(before.lufs, abs=0.2)


def test_noise_between_words_goes_down(tmp_path: Path) -> None:
    recording = media.speech(tmp_path / "in.wav", seconds=15)
    report = run(recording, tmp_path / "out")
    gaps = [
        report["loudness"][when]["integrated_lufs"] - report["noise_floor_dbfs"][when] for when in ("before", "after")
    ]
    assert gaps[1] - gaps[0] > 10
    assert "denoise" in {step["step"] for step in report["steps"]}


@pytest.mark.parametrize("rate", [44100, 48000])
def test_the_chain_neither_delays_nor_shortens(rate: int, tmp_path: Path) -> None:
    recording = media.speech(tmp_path / "in.wav", f"aresample={rate}", seconds=5)
    report = run(recording, tmp_path / "out")
    assert "denoise" in {step["step"] for step in report["steps"]}  # the stage that delays
    before, after = mono(recording), mono(tmp_path / "out/audio.m4a")
    size = 1 << 18
    correlation = np.fft.irfft(np.fft.rfft(after, size) * np.conj(np.fft.rfft(before, size)), size)
    shift = int(np.argmax(np.abs(correlation)))
    assert min(shift, size - shift) <= 16  # samples at 16 kHz: 1 ms
    assert len(after) - len(before) == pytest.approx(0, abs=0.025 * 16000)


def test_one_live_channel_becomes_mono(tmp_path: Path) -> None:
    recording = media.speech(tmp_path / "in.wav", "pan=stereo|c1=c0")
    report = run(recording, tmp_path / "out")
    assert report["output"]["channels"] == 1
    assert report["steps"][0]["step"] == "live-channel"
    assert media.measure(tmp_path / "out/audio.m4a").lufs == pytest.approx(-16, abs=0.5)


def test_antiphase_stereo_survives_a_mono_player(tmp_path: Path) -> None:
    recording = media.speech(tmp_path / "in.wav", "pan=stereo|c0=c0|c1=-1*c0")
    assert np.abs(mono(recording)).max() < 1e-3  # the mono sum of the input is silence
    report = run(recording, tmp_path / "out")
    assert report["steps"][0]["step"] == "polarity"
    assert np.abs(mono(tmp_path / "out/audio.m4a")).max() > 0.1


def test_near_silence_is_not_amplified_without_end(tmp_path: Path) -> None:
    recording = media.speech(tmp_path / "in.wav", "volume=-32dB", "-c:a", "pcm_f32le")
    report = run(recording, tmp_path / "out")
    assert media.measure(recording).lufs < -60
    assert media.measure(tmp_path / "out/audio.m4a").lufs < -20
    assert "nearly silent" in next(step for step in report["steps"] if step["step"] == "gain")["why"]


@pytest.mark.parametrize(("source", "seconds"), [("anullsrc=r=48000:cl=stereo", 2), ("sine=f=440:r=48000", 0.05)])
def test_silence_and_tiny_clips_are_delivered_with_a_note(source: str, seconds: float, tmp_path: Path) -> None:
    recording = media.tone(tmp_path / "in.wav", seconds=seconds, source=source)
    report = run(recording, tmp_path / "out")
    assert report["loudness"]["after"]["integrated_lufs"] is None
    assert len(report["notes"]) == 1
    assert report["output"]["duration_seconds"] == pytest.approx(seconds, abs=0.06)
    assert (tmp_path / "out/waveform.png").read_bytes().startswith(b"\x89PNG")


def test_the_sound_of_a_video_is_taken(tmp_path: Path) -> None:
    picture = ["-f", "lavfi", "-i", "testsrc=s=64x64:r=10"]
    recording = media.make(tmp_path / "in.mov", "-t", "3", "-i", str(media.SPEECH), *picture, "-t", "3", "-c:a", "aac")
    report = run(recording, tmp_path / "out")
    found: Any = media.streams(tmp_path / "out/audio.m4a")
    assert [stream["codec_name"] for stream in found["streams"]] == ["aac"]
    assert report["output"]["duration_seconds"] == pytest.approx(3, abs=0.1)


def test_a_cut_recording_is_salvaged_and_says_so(tmp_path: Path) -> None:
    whole = media.speech(tmp_path / "whole.mp3", "anull", "-c:a", "libmp3lame", "-b:a", "64k", seconds=10)
    cut = tmp_path / "cut.mp3"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    report = run(cut, tmp_path / "out")
    assert report["input"]["duration_seconds"] == pytest.approx(5, abs=0.5)
    assert any("incomplete or damaged" in note for note in report["notes"])


def test_listening_takes_pieces_of_any_size() -> None:
    noise = np.random.default_rng(7).standard_normal((150_001, 2)).astype(np.float32)
    one, many = listen.Listener(2), listen.Listener(2)
    data = noise.tobytes()
    one(data)
    for start in range(0, len(data), 7919):
        many(data[start : start + 7919])
    first, second = one.heard([]), many.heard([])
    assert first.frames == second.frames == 150_001
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.energy, second.energy)
    assert first.loudness == second.loudness
    assert first.channel_energy == pytest.approx(second.channel_energy)
