"""Pauses: what is left out, and that nothing else is."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tamma_worker.clean import clean
from tamma_worker.content import Content
from tamma_worker.control import Control
from tamma_worker.presets import preset
from tamma_worker.trim import Cuts, pauses

from tests.unit.worker import media

RATE = 48_000


def write_wav(target: Path, sound: media.Floats) -> None:
    """Mono, 16 bits."""
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.rint(sound * 32767).astype("<i2").tobytes())


def energy(*runs: tuple[int, float]) -> np.ndarray:
    """K-weighted energy of runs of so many records at so many LUFS."""
    return np.concatenate([np.full(count, 10 ** ((level + 0.691) / 10), np.float32) for count, level in runs])


def content(speech: list[tuple[int, bool]], keep: float = 0.0) -> Content:
    flags = np.concatenate([np.full(count, value) for count, value in speech])
    return Content(np.full(len(flags), keep), flags)


class TestPauses:
    def test_a_pause_keeps_half_of_what_is_allowed_on_either_side(self) -> None:
        levels = energy((50, -20), (40, -80), (50, -20))
        heard = content([(50, True), (40, False), (50, True)])
        assert pauses(levels, heard, 1.0).spans == ((55, 85),)

    def test_silence_at_the_ends_is_cut_to_half(self) -> None:
        levels = energy((30, -80), (50, -20), (30, -80))
        heard = content([(30, False), (50, True), (30, False)])
        assert pauses(levels, heard, 1.0).spans == ((0, 25), (85, 110))

    def test_short_pauses_whispers_and_doors_stay(self) -> None:
        levels = energy((50, -20), (10, -80), (50, -20), (40, -60), (50, -20), (40, -45), (20, -20))
        heard = content([(50, True), (10, False), (50, True), (40, True), (50, True), (40, False), (20, True)])
        assert pauses(levels, heard, 1.0).spans == ()

    def test_music_and_recordings_without_speech_have_no_pauses(self) -> None:
        levels = energy((50, -20), (40, -80), (50, -20))
        assert pauses(levels, content([(50, True), (40, False), (50, True)], keep=0.3), 1.0).spans == ()
        assert pauses(levels, content([(140, False)]), 1.0).spans == ()

    def test_zero_leaves_them_alone(self) -> None:
        levels = energy((50, -20), (400, -80), (50, -20))
        assert pauses(levels, content([(50, True), (400, False), (50, True)]), 0.0).spans == ()


class TestCuts:
    cuts = Cuts(((10, 20), (50, 60)))

    def test_what_stays(self) -> None:
        assert self.cuts.kept(60) == [(0, 10), (20, 50)]
        assert Cuts(((0, 5),)).kept(8) == [(5, 8)]
        assert Cuts().kept(8) == [(0, 8)]

    def test_the_last_record_may_be_a_part(self) -> None:
        assert self.cuts.removed(60 * 4800 - 100) == 20 * 4800 - 100

    def test_moments_move(self) -> None:
        assert [self.cuts.moved(moment) for moment in (0.5, 1.5, 2.0, 4.0)] == pytest.approx([0.5, 1.0, 1.0, 3.0])


def test_a_voice_note_comes_out_shorter_with_every_word_and_its_chapters(tmp_path: Path) -> None:
    """Two words ten seconds apart: the pause ends as a second, the second chapter begins where its word is."""
    voice = media.samples(media.SPEECH, RATE, 1)[: 4 * RATE, 0]
    room = np.random.default_rng(1).standard_normal(18 * RATE) * 1e-4
    room[: 4 * RATE] += voice
    room[14 * RATE :] += voice
    write_wav(tmp_path / "talk.wav", room)
    lines = [";FFMETADATA1"]
    for title, start, end in (("One", 0, 14000), ("Two; #2 = \\ end", 14000, 18000)):
        escaped = title.translate({ord(sign): f"\\{sign}" for sign in "=;#\\"})
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={start}", f"END={end}", f"title={escaped}"]
    (tmp_path / "chapters").write_text("\n".join(lines))
    inputs = ["-i", str(tmp_path / "talk.wav"), "-i", str(tmp_path / "chapters"), "-map_chapters", "1"]
    source = media.make(tmp_path / "talk.m4a", *inputs)
    (tmp_path / "out").mkdir()
    report = clean(source, tmp_path / "out", preset("voice-note"), Control())
    removed = report["seconds_removed"]
    assert 8.5 < removed < 9.5
    assert report["output"]["duration_seconds"] == pytest.approx(18 - removed, abs=0.03)
    assert any(step["step"] == "trim" for step in report["steps"])
    found = media.streams(tmp_path / "out" / "audio.m4a")
    chapters: Any = found["chapters"]
    assert [one["tags"]["title"] for one in chapters] == ["One", "Two; #2 = \\ end"]
    assert float(chapters[1]["start_time"]) == pytest.approx(14 - removed, abs=0.01)
    second = media.samples(tmp_path / "out" / "audio.m4a", RATE, 1)[:, 0]
    whole = media.samples(source, RATE, 1)[:, 0]
    place = round((14 - removed) * RATE)
    word, spoken = second[place : place + 4 * RATE], whole[14 * RATE : 18 * RATE]
    size = min(len(word), len(spoken))
    product = np.fft.irfft(np.fft.rfft(word[:size], 1 << 19) * np.conj(np.fft.rfft(spoken[:size], 1 << 19)))
    shift = int(np.argmax(product))
    assert min(shift, (1 << 19) - shift) < RATE * 0.03  # an AAC file's own padding


def test_the_joint_makes_no_click(tmp_path: Path) -> None:
    """Where a pause was shortened nothing stands out of the room's noise."""
    voice = media.samples(media.SPEECH, RATE, 1)[: 3 * RATE, 0]
    room = np.random.default_rng(2).standard_normal(12 * RATE) * 1e-4
    room[: 3 * RATE] += voice
    room[9 * RATE :] += voice
    write_wav(tmp_path / "talk.wav", room)
    chosen = replace(preset("voice-note"), denoise_db=0.0, level_db=0.0, deess_db=0.0, formats=("m4a", "wav"))
    (tmp_path / "out").mkdir()
    report = clean(tmp_path / "talk.wav", tmp_path / "out", chosen, Control())
    assert report["seconds_removed"] == pytest.approx(5, abs=0.5)
    heard = media.samples(tmp_path / "out" / "audio.wav", RATE, 1)[:, 0]
    pause = heard[int(3.1 * RATE) : int(3.9 * RATE)]
    assert np.abs(pause).max() < 6 * pause.std()
    pieces = pause[: len(pause) // 1920 * 1920].reshape(-1, 1920).std(1)
    assert pieces.min() > pieces.max() * 10 ** (-3 / 20)
