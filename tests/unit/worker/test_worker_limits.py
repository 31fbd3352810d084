"""A recording reaches nothing but itself, takes no more than it is granted, and finds out early what it lacks."""

from __future__ import annotations

import errno
import shutil
import socket
import subprocess
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tamma_worker import binaries, encoders, room
from tamma_worker.clean import clean
from tamma_worker.control import Control
from tamma_worker.errors import BadInputError, TemporaryError
from tamma_worker.presets import FORMATS, Preset, all_presets, preset
from tamma_worker.probe import probe

from tests.unit.worker import hostile, media

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Listener:
    """A server that notes whether anybody came."""

    def __init__(self) -> None:
        self.contacted = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/secret.wav"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._server.accept()[0].close()
        except OSError:  # closed while waiting: nobody came
            return
        self.contacted.set()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


class TestNothingElseIsOpened:
    """Neither by what lies beside the recording, nor anywhere else on the machine, nor on the network."""

    @pytest.mark.parametrize("case", hostile.REACHING)
    def test_on_the_network(self, case: str, tmp_path: Path, listener: Listener) -> None:
        path = tmp_path / "recording"
        path.write_text(hostile.REACHING[case].format(place=listener.url))
        with pytest.raises(BadInputError) as caught:
            clean(path, tmp_path, preset("podcast"), Control())
        assert caught.value.code in {"playlist", "not_media"}
        assert not listener.contacted.wait(0.05)

    @pytest.mark.parametrize("where", ["beside it", "by its path", "as a URL"])
    @pytest.mark.parametrize("case", hostile.REACHING)
    def test_on_the_disk(self, case: str, where: str, tmp_path: Path) -> None:
        secret = media.tone(tmp_path / "secret.wav")
        place = {"beside it": "secret.wav", "by its path": str(secret), "as a URL": secret.as_uri()}[where]
        path = tmp_path / "recording"
        path.write_text(hostile.REACHING[case].format(place=place))
        with pytest.raises(BadInputError):
            probe(path, preset("podcast"), Control())

    def test_the_listener_hears_a_careless_ffmpeg(self, tmp_path: Path, listener: Listener) -> None:
        path = tmp_path / "recording.m3u8"
        path.write_text(hostile.REACHING["hls"].format(place=listener.url))
        allow = ["-protocol_whitelist", "file,http,tcp", "-extension_picky", "0"]
        subprocess.run([binaries.ffprobe(), "-v", "quiet", *allow, str(path)], check=False, timeout=60)
        assert listener.contacted.wait(10)

    def test_the_concat_attack_is_real(self, tmp_path: Path) -> None:
        media.tone(tmp_path / "secret.wav")
        path = tmp_path / "recording"
        path.write_text(hostile.REACHING["concat"].format(place="secret.wav"))
        naive = [binaries.ffmpeg(), "-nostdin", "-v", "error", "-i", str(path), "-f", "s16le", "-"]
        assert len(subprocess.run(naive, capture_output=True, check=False, timeout=60).stdout) > 10_000

    def test_a_cover_that_is_an_address_is_not_fetched(self, tmp_path: Path, listener: Listener) -> None:
        """ID3v2.4, 4.14: the type "-->" means that the picture's data is a URL."""
        recording = hostile.with_picture(tmp_path / "in.mp3", listener.url.encode(), b"-->")
        clean(recording, tmp_path, preset("off"), Control())
        found: Any = media.streams(tmp_path / "audio.m4a")
        assert [stream["codec_type"] for stream in found["streams"]] == ["audio"]
        assert not listener.contacted.wait(0.05)

    def test_a_film_cannot_have_its_sound_in_another_file(self, tmp_path: Path) -> None:
        secret = media.tone(tmp_path / "secret.wav")
        hostile.mov_of_another_file(tmp_path / "film.mov", secret)
        naive = [binaries.ffmpeg(), "-v", "error", "-enable_drefs", "1", "-use_absolute_path", "1"]
        naive += ["-i", str(tmp_path / "film.mov"), "-f", "s16le", "-"]
        assert len(subprocess.run(naive, capture_output=True, check=False, timeout=60).stdout) > 10_000
        with pytest.raises(BadInputError):
            clean(tmp_path / "film.mov", tmp_path, preset("podcast"), Control())


class TestDuration:
    def test_what_does_not_say_how_long_it_is_ends_at_the_limit(self, tmp_path: Path) -> None:
        hostile.flac_bomb(tmp_path / "bomb")
        steps: list[str] = []
        control = Control(lambda _, step: steps.append(step))
        with pytest.raises(BadInputError) as caught:
            clean(tmp_path / "bomb", tmp_path, replace(preset("podcast"), max_seconds=30), control)
        assert caught.value.code == "too_long"
        assert set(steps) == {"examining", "listening"}

    def test_a_sparse_thirteen_hours_are_refused_by_the_header(self, tmp_path: Path) -> None:
        header, size = media.low_wav(13 * 3600)
        with (tmp_path / "talk.wav").open("wb") as file:
            file.write(header)
            file.truncate(len(header) + size)
        with pytest.raises(BadInputError, match="longer than 12 hours"):
            probe(tmp_path / "talk.wav", preset("podcast"), Control())


class Usage(NamedTuple):
    total: int
    used: int
    free: int


class TestRoom:
    def test_ten_hours_do_not_fit_a_small_disk_and_that_is_said_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        header, size = media.low_wav(10 * 3600)
        with (tmp_path / "talk.wav").open("wb") as file:
            file.write(header)
            file.truncate(len(header) + size)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(20 << 30, 0, 2 << 30))
        with pytest.raises(
            TemporaryError, match=r"needs 7\.8 GB of free disk space, but there are only 2\.1 GB"
        ) as caught:
            clean(tmp_path / "talk.wav", tmp_path, preset("podcast"), Control())
        assert caught.value.code == "disk"

    @pytest.mark.parametrize("name", all_presets())
    @pytest.mark.parametrize("channels", [1, 2])
    def test_what_is_written_stays_below_the_estimate(self, name: str, channels: int) -> None:
        """0.35 GB for an hour and channel in a store, and 0.52 GB of WAV."""
        chosen = preset(name)
        least = channels * (0.3456e9 + 0.5184e9 * ("wav" in chosen.formats))
        assert room.stored(3600, channels) == round(channels * 0.3456e9)
        assert least < room.needed(chosen, 3600, channels) < least + 0.35e9

    def test_the_longest_recording_fits_the_task(self) -> None:
        longest = [(chosen, chosen.max_seconds) for chosen in all_presets().values()]
        most = max(chosen.max_bytes + room.stored(t, 2) + room.needed(chosen, t, 2) for chosen, t in longest)
        assert most < 40 << 30  # compute_worker_ephemeral_storage

    def test_a_disk_that_fills_up_meanwhile_is_said(self) -> None:
        with pytest.raises(TemporaryError, match="The disk is full") as caught, room.guarded():
            raise OSError(errno.ENOSPC, "No space left on device")
        assert caught.value.code == "disk"
        with pytest.raises(PermissionError), room.guarded():
            raise PermissionError(errno.EACCES, "not allowed")


class TestEncoders:
    def test_all_work_here(self) -> None:
        encoders.check(FORMATS, Control())

    def test_one_that_does_not_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(encoders.NAMES, "mp3", "libnothing")
        encoders.check(["m4a", "wav"], Control())
        with pytest.raises(TemporaryError, match=r"^encoder_broken: This machine cannot write mp3 files\.") as caught:
            encoders.check(["m4a", "mp3", "wav"], Control())
        assert "libnothing" in "".join(caught.value.__notes__)

    def test_nothing_is_processed_when_one_does_not(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(encoders.NAMES, "m4a", "libnothing")
        steps: list[str] = []
        with pytest.raises(TemporaryError, match="cannot write m4a files"):
            clean(
                media.tone(tmp_path / "x.wav"),
                tmp_path,
                preset("podcast"),
                Control(lambda _, step: steps.append(step)),
            )
        assert set(steps) == {"examining", "listening"}


def test_a_header_without_end_is_no_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tamma_worker import probe as probing

    path = media.tone(tmp_path / "x.wav")
    monkeypatch.setattr(probing, "_MAX_JSON", 500)
    with pytest.raises(BadInputError, match="not an audio or video recording"):
        probe(path, preset("podcast"), Control())


def test_limits_of_the_input_are_fields_of_the_preset_alone() -> None:
    from tamma_worker.presets import CHANGEABLE

    limits = {
        name for name in Preset.__slots__ if name.startswith(("max_bytes", "max_sec", "max_ch", "max_sam", "min_"))
    }
    assert limits == {"max_bytes", "max_seconds", "max_channels", "min_sample_rate_hz", "max_sample_rate_hz"}
    assert not limits & set(CHANGEABLE)
