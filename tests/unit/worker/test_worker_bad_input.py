"""Every way a file can be wrong: one clear outcome each, nothing else opened, nothing half-written."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tamma_worker import cli
from tamma_worker.clean import clean
from tamma_worker.control import Control
from tamma_worker.errors import BadInputError, MissingInputError
from tamma_worker.presets import all_presets, preset
from tamma_worker.probe import check_size, probe

from tests.unit.worker import hostile, media

if TYPE_CHECKING:
    from collections.abc import Callable


def _written(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def _without_moov(path: Path) -> None:
    whole = media.tone(path.with_name("whole.mp4"), "-c:a", "aac", seconds=2)
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])


def _protected(path: Path) -> None:
    whole = media.tone(path.with_name("whole.m4a"), "-c:a", "aac")
    path.write_bytes(whole.read_bytes().replace(b"mp4a", b"drms"))


def _wav_header_only(path: Path) -> None:
    path.write_bytes(media.tone(path.with_name("whole.wav")).read_bytes()[:78])


def _sixteen_channels(path: Path) -> None:
    header, size = media.low_wav(1, channels=16)
    path.write_bytes(header + bytes(size))


def _flac_head(path: Path) -> None:
    hostile.flac_bomb(path, claimed_samples=(1 << 36) - 1)
    path.write_bytes(path.read_bytes()[:4000])


def _long(path: Path) -> None:
    """Thirteen hours, sparse on disk."""
    header, size = media.low_wav(13 * 3600)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + size)


CORPUS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "zero bytes": ("talk.wav", _written(b""), "empty_file"),
    "one byte": ("talk.mp3", _written(b"\x00"), "not_media"),
    "html": ("talk.mp3", _written(b"<!doctype html><html><body>404</body></html>\n" * 40), "not_media"),
    "text": ("talk.wav", _written(b"These are the minutes of the meeting.\n" * 200), "not_media"),
    "json": ("talk.m4a", _written(b'{"error": "expired"}'), "not_media"),
    "image": ("talk.m4a", media.picture, "not_media"),
    "video without sound": (
        "talk.mp4",
        lambda p: media.make(p, "-f", "lavfi", "-t", "1", "-i", "testsrc=s=64x64:r=10", "-f", "mp4"),
        "no_audio",
    ),
    "mp4 without its index": ("talk.mp4", _without_moov, "truncated"),
    "protected": ("talk.m4a", _protected, "protected"),
    "wav without samples": ("talk.wav", _wav_header_only, "not_media"),
    "sixteen channels": ("talk.wav", _sixteen_channels, "too_many_channels"),
    "thirteen hours": ("talk.wav", _long, "too_long"),
    "zip": ("talk.wav", _written(b"PK\x03\x04" + bytes(4000)), "not_media"),
    "pdf": ("talk.mp3", _written(b"%PDF-1.7\n" + bytes(4000)), "not_media"),
    "png bomb": ("talk.m4a", lambda p: p.write_bytes(hostile.png_bomb()), "not_media"),
    "photo": ("talk.mp3", lambda p: media.picture(p, "JPEG"), "not_media"),
    "animation": ("talk.wav", lambda p: media.picture(p, "GIF"), "not_media"),
    "encrypted": ("talk.m4a", hostile.encrypted, "protected"),
    "one sample a second": ("talk.wav", _written(hostile.slow_wav(1)), "sample_rate_too_low"),
    "a million samples a second": ("talk.wav", _written(hostile.slow_wav(1_000_000)), "sample_rate_too_high"),
    "flac without its sound": ("talk.flac", _flac_head, "not_media"),
    "wav of nothing": ("talk.wav", _written(b"RIFF\x00\x00\x00\x00WAVE"), "not_media"),
}


@pytest.mark.parametrize("case", CORPUS)
def test_refused_with_a_sentence(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tamma_worker.__main__ import main

    name, write, code = CORPUS[case]
    media.tone(tmp_path / "secret.wav")
    path = tmp_path / name
    write(path)
    with pytest.raises(BadInputError) as caught:
        cli.main(["clean", str(path), str(tmp_path / "out")])
    assert caught.value.code == code
    assert main(["clean", str(path), str(tmp_path / "out")]) == 65
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said == caught.value.sentence
    assert list((tmp_path / "out").iterdir()) == []  # neither results nor scratch are left


def _damaged(path: Path) -> None:
    whole = media.speech(path.with_name("whole.mp3"), "anull", "-c:a", "libmp3lame", "-b:a", "64k", seconds=8)
    data = bytearray(whole.read_bytes())
    data[20_000:24_000] = bytes(4_000)
    path.write_bytes(data)


def _hole(suffix: str, *options: str) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        whole = media.speech(path.with_name(f"whole.{suffix}"), "anull", *options, seconds=4).read_bytes()
        path.write_bytes(hostile.hole(whole, 0.5, len(whole) // 20))

    return make


def _cut(suffix: str, *options: str) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        whole = media.speech(path.with_name(f"whole.{suffix}"), "anull", *options, seconds=4).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])

    return make


def _claims_two_weeks(path: Path) -> None:
    """A FLAC of ten silent seconds."""
    hostile.flac_bomb(path, 10, (1 << 36) - 1)


def _lying_header(path: Path) -> None:
    data = bytearray(media.tone(path.with_name("whole.wav"), seconds=2).read_bytes())
    place = data.index(b"data") + 4
    data[place : place + 4] = (1 << 30).to_bytes(4, "little")
    path.write_bytes(data)


def _sparse(path: Path, seconds: int = 30) -> None:
    header, size = media.low_wav(seconds)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + size)


def _huge_id3(path: Path) -> None:
    sound = media.speech(path.with_name("x.mp3"), "anull", "-c:a", "libmp3lame", seconds=2).read_bytes()
    size = 8 << 20
    head = b"ID3\x03\x00\x00" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    path.write_bytes(head + bytes(size) + sound)


def _two_tracks(path: Path) -> None:
    one, two = (media.speech(path.with_name(f"{n}.wav"), seconds=2) for n in "ab")
    media.make(path, "-i", str(one), "-i", str(two), "-map", "0", "-map", "1", "-c:a", "aac", "-f", "matroska")


def _huge_picture(path: Path) -> None:
    """A track of pictures of 16384 x 16384 beside the sound: never decoded."""
    whole = media.make(
        path.with_name("whole.mp4"),
        *("-f", "lavfi", "-t", "2", "-i", "testsrc=s=64x64:r=2", "-f", "lavfi", "-t", "2", "-i", "sine=f=330:r=48000"),
        *("-c:a", "aac", "-c:v", "mpeg4"),
    )
    data = whole.read_bytes().replace((64).to_bytes(2, "big") * 2, (16384).to_bytes(2, "big") * 2)
    path.write_bytes(data)


Salvaged = tuple["Callable[[Path], object]", float, str]  # how it is made, seconds that come out, part of a note
SALVAGED: dict[str, Salvaged] = {
    "damaged in the middle": (_damaged, 7.5, "damaged"),
    "damaged flac": (_hole("flac", "-c:a", "flac", "-f", "flac"), 3.75, "damaged"),
    "damaged opus": (_hole("ogg", "-c:a", "libopus", "-f", "ogg"), 3, "damaged"),
    "damaged m4a": (_hole("m4a", "-c:a", "aac", "-f", "ipod"), 3.8, "damaged"),
    "cut off wav": (_cut("wav", "-f", "wav"), 2, ""),
    "cut off flac": (_cut("flac", "-c:a", "flac", "-f", "flac"), 2, "incomplete or damaged"),
    "cut off film": (
        _cut("mp4", "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov", "-f", "mp4"),
        1.9,
        "incomplete",
    ),
    "a header that lies about its length": (_lying_header, 2, ""),
    "a header that claims two weeks": (_claims_two_weeks, 10, "incomplete or damaged"),
    "sparse": (_sparse, 30, ""),
    "a huge tag": (_huge_id3, 2, ""),
    "two tracks": (_two_tracks, 2, "2 sound tracks"),
    "pictures of 16k by 16k": (_huge_picture, 2, ""),
    "telephone": (lambda p: media.speech(p, "aresample=8000", "-c:a", "pcm_mulaw", "-f", "wav", seconds=2), 2, ""),
    "192 kHz": (lambda p: media.speech(p, "aresample=192000", "-c:a", "flac", "-f", "flac", seconds=2), 2, ""),
    "surround": (lambda p: media.speech(p, "pan=5.1|FC=c0", "-c:a", "flac", "-f", "flac", seconds=2), 2, "6 channels"),
    "beyond full scale": (lambda p: media.speech(p, "volume=40dB", "-c:a", "pcm_f32le", "-f", "wav", seconds=2), 2, ""),
    "offset": (lambda p: media.speech(p, "dcshift=0.5", "-f", "wav", seconds=2), 2, ""),
    "fifty milliseconds": (lambda p: media.tone(p, "-f", "wav", seconds=0.05), 0.05, "too short"),
    "silence": (lambda p: media.tone(p, "-f", "wav", source="anullsrc=r=48000:cl=stereo", seconds=2), 2, "silent"),
    "aiff": (lambda p: media.speech(p, "anull", "-f", "aiff", seconds=2), 2, ""),
    "caf": (lambda p: media.speech(p, "anull", "-c:a", "pcm_s16le", "-f", "caf", seconds=2), 2, ""),
    "ogg vorbis or opus": (lambda p: media.speech(p, "anull", "-c:a", "libopus", "-f", "ogg", seconds=2), 2, ""),
    "adts": (lambda p: media.speech(p, "anull", "-c:a", "aac", "-f", "adts", seconds=2), 2, ""),
    "transport stream": (lambda p: media.speech(p, "anull", "-c:a", "aac", "-f", "mpegts", seconds=2), 2, ""),
    "a garbled number": (lambda p: p.write_bytes(_with_nan(p)), 2, ""),
}


def _with_nan(path: Path) -> bytes:
    whole = media.speech(path.with_name("x.wav"), "anull", "-c:a", "pcm_f32le", seconds=2)
    data = bytearray(whole.read_bytes())
    data[40_000:40_008] = b"\x00\x00\xc0\x7f\x00\x00\x80\x7f"  # NaN, infinity
    return bytes(data)


@pytest.mark.parametrize("case", SALVAGED)
def test_odd_recordings_are_cleaned(case: str, tmp_path: Path) -> None:
    make, seconds, note = SALVAGED[case]
    path = tmp_path / "recording"
    make(path)
    (tmp_path / "out").mkdir()
    report = clean(path, tmp_path / "out", preset("podcast"), Control())
    assert report["output"]["duration_seconds"] == pytest.approx(seconds, abs=0.15)
    assert any(note in said for said in report["notes"]) or not note
    after = report["loudness"]["after"]
    assert after["true_peak_dbtp"] is None or after["true_peak_dbtp"] <= -1.0
    heard = media.samples(tmp_path / "out/audio.m4a", 48_000, 1)
    assert np.isfinite(heard).all()


def test_the_page_shows_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    with pytest.raises(MissingInputError):
        cli.main(["report", str(tmp_path)])
    recording = media.tone(tmp_path / "in.flac", "-metadata", "title=<script>", seconds=0.5)
    assert cli.main(["clean", str(recording), str(tmp_path / "out")]) == 0
    assert cli.main(["report", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out/report.html").read_text()
    assert opened == [(tmp_path / "out/report.html").as_uri()]
    assert "&lt;script&gt;" in text
    assert "<script>" not in text


SPOILT = {
    "wav": ("-c:a", "pcm_s16le"),
    "mp3": ("-c:a", "libmp3lame"),
    "m4a": ("-c:a", "aac"),
    "flac": ("-c:a", "flac"),
    "ogg": ("-c:a", "libopus"),
    "mkv": ("-c:a", "aac"),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_spoilt_bytes_are_never_an_error_of_ours(kind: str, tmp_path: Path) -> None:
    """Two copies with wrong bytes, mostly in the header: each is cleaned, or refused in a sentence."""
    import random

    whole = media.speech(tmp_path / f"whole.{kind}", "anull", *SPOILT[kind], seconds=0.5).read_bytes()
    chosen = preset("podcast", {"denoise_db": 0})
    for seed in range(2):
        dice, data = random.Random(f"{kind}{seed}"), bytearray(whole)  # noqa: S311 (reproducible damage)
        for _ in range(10):
            data[dice.randrange(min(len(data), 800))] = dice.choice((0, 127, 128, 255))
        path, out = tmp_path / "recording", tmp_path / f"out{seed}"
        path.write_bytes(data)
        out.mkdir()
        try:
            report = clean(path, out, chosen, Control())
        except BadInputError as error:
            assert error.sentence.endswith(".")  # noqa: PT017 (either end is right)
        else:
            peak = report["loudness"]["after"]["true_peak_dbtp"]
            assert peak is None or peak <= -1.0


def test_random_bytes_are_not_media(tmp_path: Path) -> None:
    import random

    for seed in range(3):
        path = tmp_path / f"{seed}.mp3"
        path.write_bytes(random.Random(seed).randbytes(20_000))  # noqa: S311 (reproducible garbage)
        with pytest.raises(BadInputError):
            cli.main(["clean", str(path), str(tmp_path / "out")])


@pytest.mark.parametrize(
    "name", ["-i.wav", "a b;$(touch hacked)&'\".wav", "Gespräch №1 🎙.wav", "file:x.wav", "50%d.wav", "talk"]
)
def test_odd_names_are_only_names(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(media.tone(tmp_path / "x.wav", seconds=0.5).read_bytes())
    assert cli.main(["clean", f"./{name}", "out"]) == 0
    assert {"audio.m4a", "report.json", "waveform.png"} < {path.name for path in (tmp_path / "out").iterdir()}
    assert not (tmp_path / "hacked").exists()


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp3"
    path.write_bytes(media.tone(tmp_path / "x.flac").read_bytes())
    assert probe(path, preset("podcast"), Control()).codec == "flac"


def test_a_folder_that_cannot_be_made_is_said_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tamma_worker.__main__ import main

    path = media.tone(tmp_path / "talk.wav")
    assert main(["clean", str(path), str(path)]) == 73
    assert capsys.readouterr().err == f"{path}: File exists.\n"


def test_fields_of_the_preset_can_be_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tamma_worker.__main__ import main

    path, out = media.tone(tmp_path / "talk.wav"), tmp_path / "out"
    wanted = ["--set", "loudness_lufs=-20", "--set", "hum=false", "--set", "formats=opus"]
    assert main(["clean", str(path), str(out), *wanted]) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["overrides"] == {"loudness_lufs": -20.0, "hum": False, "formats": ["m4a", "opus"]}
    assert (out / "audio.opus").is_file()
    capsys.readouterr()
    assert main(["clean", str(path), str(tmp_path / "none"), "--set", "loudness_lufs=loud"]) == 65
    assert capsys.readouterr().err == "loudness_lufs must be a number from -31 to -9.\n"
    assert not (tmp_path / "none").exists()


def test_a_recording_is_not_overwritten_by_its_own_result(tmp_path: Path) -> None:
    path = media.tone(tmp_path / "audio.wav")
    before = path.read_bytes()
    with pytest.raises(BadInputError, match="choose another folder"):
        cli.main(["clean", str(path), str(tmp_path), "--preset", "broadcast"])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_second_run_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    path, out = media.tone(tmp_path / "talk.wav", seconds=0.5), tmp_path / "out"
    assert cli.main(["clean", str(path), str(out)]) == 0
    assert (out / "audio.mp3").is_file()
    (out / "notes.txt").write_text("mine")
    assert cli.main(["clean", str(path), str(out), "--preset", "voice-note"]) == 0
    assert {file.name for file in out.iterdir() if file.suffix in {".m4a", ".mp3", ".opus", ".txt"}} == {
        "audio.m4a",
        "audio.opus",
        "notes.txt",
    }


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = {}
    for stream in (Terminal(), io.StringIO()):
        with cli.ProgressBar(stream) as bar:
            for part in range(65):
                bar.show(part / 64, "cleaning")
        shown[type(stream)] = stream.getvalue()
    assert shown[Terminal].count("\r") == 65
    assert shown[Terminal].endswith(f"\r[{'#' * 32}] 100 % cleaning    \n")
    assert shown[io.StringIO].splitlines() == [f"{tenth:3} % cleaning" for tenth in range(0, 101, 10)]


def test_a_missing_file_is_missing_input(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="There is no file"):
        cli.main(["clean", str(tmp_path / "none.wav"), str(tmp_path / "out")])


def test_too_large_is_refused_by_size_alone() -> None:
    chosen = preset("podcast")
    check_size(chosen.max_bytes, chosen)
    with pytest.raises(BadInputError, match=r"5\.0 GiB"):
        check_size(chosen.max_bytes + 1, chosen)


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(BadInputError, match="podcast, broadcast, streaming, voice-note, music, off"):
        preset("loud")
    assert all(entry.description and entry.name == name for name, entry in all_presets().items())
