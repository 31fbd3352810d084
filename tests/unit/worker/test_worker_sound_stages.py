"""Each stage of the sound by itself, on signals whose right answer is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]  # it has no types
import pytest
from tamma_worker import (
    chain,
    content,
    deess,
    denoise,
    hum,
    lanes,
    level,
    limit,
    meter,
    network,
    process,
    stft,
    store,
)
from tamma_worker.clean import clean, results
from tamma_worker.control import Control
from tamma_worker.errors import BadInputError
from tamma_worker.presets import preset

from tests.unit.worker import media

RATE = stft.RATE


def speech(seconds: float, start: float = 0) -> stft.Samples:
    """The demo's recording (a voice by a fire) at 48 kHz, mono."""
    sound = media.samples(media.SPEECH, RATE, 1)[:, 0].astype(np.float32)
    return sound[int(start * RATE) : int((start + seconds) * RATE)]


def sine(hertz: float, seconds: float, peak: float = 1.0, phase: float = 0) -> stft.Samples:
    time = np.arange(int(seconds * RATE)) / RATE
    return (peak * np.sin(2 * np.pi * hertz * time + phase)).astype(np.float32)


def decibels(ratio: Any) -> float:
    return float(20 * np.log10(ratio + 1e-20))


def test_synthesis_undoes_analysis() -> None:
    sound = np.random.default_rng(1).standard_normal(480 * 50).astype(np.float32)
    assert np.abs(stft.synthesise(stft.analyse(sound)) - sound).max() < 1e-5


def denoised(*sounds: stft.Samples, piece: int = 1 << 20) -> tuple[stft.Spectrum, Any]:
    """Run sounds of one length side by side, ``piece`` frames at a time; frames are where they were."""
    spectra = np.stack([stft.analyse(sound) for sound in sounds])
    after = np.zeros((len(sounds), denoise.AHEAD, stft.BINS), np.complex64)
    padded = np.concatenate([spectra, after], axis=1)
    stream = denoise.Stream(len(sounds))
    parts = [stream(padded[:, start : start + piece]) for start in range(0, padded.shape[1], piece)]
    speech, lsnr = (np.concatenate(part, axis=1)[:, denoise.AHEAD :] for part in zip(*parts, strict=True))
    return speech, lsnr


def wheel(features: tuple[Any, Any]) -> tuple[Any, Any, Any]:
    """Gains, filter taps and ratio as the graphs in the wheel give them, untouched."""
    enc, erb_dec, df_dec = (
        onnxruntime.InferenceSession(network._files()[f"{name}.onnx"], providers=["CPUExecutionProvider"])
        for name in ("enc", "erb_dec", "df_dec")
    )
    outputs = [output.name for output in enc.get_outputs()]
    found = dict(zip(outputs, enc.run(None, dict(zip(("feat_erb", "feat_spec"), features, strict=True))), strict=True))
    gains = erb_dec.run(None, {name: found[name] for name in ("emb", "e3", "e2", "e1", "e0")})[0]
    taps = df_dec.run(["coefs"], {name: found[name] for name in ("emb", "c0")})[0]
    return gains, taps, found["lsnr"]


class TestDenoise:
    def test_noise_goes_and_the_voice_stays_where_it_was(self) -> None:
        voice = speech(6)
        noise = np.random.default_rng(2).standard_normal(len(voice)).astype(np.float32) * 0.02
        found, _ = denoised(noise, voice)
        assert decibels(stft.synthesise(found[0]).std() / noise.std()) < -25
        heard = stft.synthesise(found[1])
        correlation = np.fft.irfft(np.fft.rfft(heard, 1 << 20) * np.conj(np.fft.rfft(voice, 1 << 20)))
        assert int(np.argmax(correlation)) == 0
        assert -3 < decibels(heard.std() / voice.std()) < 0

    def test_pieces_and_neighbours_make_no_difference(self) -> None:
        first, second = speech(5), speech(5, 8)
        alone, ratio = denoised(first)
        beside, beside_ratio = denoised(first, second, piece=70)
        assert decibels(np.abs(alone[0] - beside[0]).max() / np.abs(alone).max()) < -80
        assert np.abs(ratio[0] - beside_ratio[0]).max() < 0.01

    def test_the_network_is_still_that_of_the_wheel(self) -> None:
        dice, frames = np.random.default_rng(5), 120
        erb, deep = (dice.standard_normal(shape).astype(np.float32) for shape in ((1, 1, 120, 32), (1, 2, 120, 96)))
        gains, taps, lsnr = wheel((erb, deep))
        net = network.network()
        past = [((0, 0), (0, 0), (count, 0), (0, 0)) for count in (network.PAST_ERB, network.PAST_DEEP)]
        state = np.zeros((network.LAYERS, 1, network.WIDTH), np.float32)
        found = net.front(np.pad(erb, past[0]), np.pad(deep, past[1]))
        ratio, embedding, half, _ = net.core(found["embedding"], state)
        assert np.abs(net.back(found, embedding) - gains[0]).max() < 1e-4
        assert np.abs((half + found["taps_front"]).reshape(frames, -1) - taps.reshape(frames, -1)).max() < 1e-4
        assert np.abs(ratio - lsnr[:, :, 0]).max() < 1e-2

    def test_clean_words_are_spared_and_noisy_ones_are_not(self) -> None:
        power = lanes.speech_power(stft.analyse(speech(3))[None])
        loud = power > power.mean()
        assert denoise.spared(power, np.full(len(power), 35, np.float32))[loud].min() == pytest.approx(1)
        assert not denoise.spared(power, np.full(len(power), 15, np.float32)).any()

    def test_bands_cover_the_spectrum(self) -> None:
        assert denoise._WIDTHS.sum() == stft.BINS
        assert denoise._WIDTHS.min() == 2


def processed(sound: stft.Samples, plan: chain.Plan, folder: Path) -> process.Processed:
    source, target = store.Store(folder / "source", sound.shape[1]), store.Store(folder / "target", plan.channels)
    source.write(0, sound)
    return process.process(process.Processed(target, source, plan, len(sound)), Control(), lambda _: None)


class TestProcess:
    def test_the_result_does_not_depend_on_the_processors(self, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.setattr(process, "_SHORTEST", 50)
        sound, plan, results = speech(24)[:, None], chain.Plan(((1.0,),), 3.0, 70.0, None, 60.0, 6.0), []
        for workers in (1, 3):
            monkeypatch.setattr(process, "processors", lambda workers=workers: workers)
            results.append(processed(sound, plan, tmp_path))
        serial, parallel = results
        count = serial.clean.records
        assert np.array_equal(serial.clean.read(0, count), parallel.clean.read(0, count))
        assert np.array_equal(serial.energy, parallel.energy)

    def test_where_stretches_meet_nothing_can_be_heard(self, tmp_path: Path, monkeypatch: Any) -> None:
        sound = np.tile(speech(24), 4)[:, None]  # 96 s: the second half begins 8 s after the first,
        monkeypatch.setattr(lanes, "WARM_UP", 400)  # which the usual minute would not leave room for
        plan = chain.Plan(((1.0,),), 3.0, 70.0, None, 60.0, 6.0)
        whole = processed(sound, plan, tmp_path)
        monkeypatch.setattr(process, "_SHORTEST", 480)
        cut = processed(sound, plan, tmp_path)
        count = whole.clean.records
        one, two = (result.clean.read(0, count)[:, 0].reshape(count, -1) for result in (whole, cut))
        level = np.sqrt(np.square(one).mean(1))
        assert (one[480:] != two[480:]).any()
        assert decibels((np.sqrt(np.square(one - two).mean(1)) / np.maximum(level, level.mean())).max()) < -42
        assert np.abs(10 * np.log10((whole.energy + 1e-6) / (cut.energy + 1e-6))).max() < 0.1

    def test_pieces_cannot_be_seen(self, tmp_path: Path) -> None:
        tone = np.stack([sine(1000, 23.04), sine(440, 23.04, 0.3)], axis=1)  # a length that fills no record
        result = processed(tone, chain.Plan(((1.0, 0.0), (0.0, 1.0)), 0.0, 70.0), tmp_path)
        heard = result.clean.read(0, result.clean.records)[: len(tone)]
        inside = slice(RATE // 2, -RATE // 2)
        assert decibels(np.abs(heard - tone)[inside].max()) < -55  # a biquad's last tenth of a dB, and 16 bits
        levels = np.abs(heard[: 230 * 4800, 0]).reshape(230, 4800).max(1)
        assert decibels(levels[5:-5].max() / levels[5:-5].min()) < 0.1

    def test_without_any_stage_nothing_changes(self, tmp_path: Path) -> None:
        sound = speech(1)[:, None]
        result = processed(sound, chain.Plan(((1.0,),)), tmp_path)
        assert decibels(np.abs(result.clean.read(0, 10)[: len(sound)] - sound).max() / np.abs(sound).max()) < -85

    def test_dc_and_rumble_go(self, tmp_path: Path) -> None:
        sound = (sine(25, 4, 0.3) + 0.2 + sine(1000, 4, 0.1))[:, None]
        result = processed(sound, chain.Plan(((1.0,),), 0.0, 70.0), tmp_path)
        heard = result.clean.read(10, 20)
        assert abs(heard.mean()) < 1e-3
        assert decibels(np.abs(heard).max() / 0.1) < 1

    def test_a_reason_to_stop_ends_the_work(self, tmp_path: Path) -> None:
        source, target = store.Store(tmp_path / "source", 1), store.Store(tmp_path / "target", 1)
        sound = speech(10)[:, None]
        source.write(0, sound)
        control = Control()
        control.stop(TimeoutError("enough"))
        plan = chain.Plan(((1.0,),), 3.0, 70.0, None, 60.0, 6.0)
        with pytest.raises(TimeoutError):
            process.process(process.Processed(target, source, plan, len(sound)), control, lambda _: None)
        assert target.records < 100


class TestHum:
    @pytest.mark.parametrize("base", [50.0, 59.94, 60.1])
    def test_hum_under_a_voice_is_found_and_removed(self, base: float) -> None:
        voice = speech(14)
        lines = sum(sine(base * n, 14, 0.02 / n, n) for n in range(1, 12))
        ear = hum.HumEar()
        ear.take(voice + lines)
        found = ear.found()
        assert found is not None
        assert found.base_hz == pytest.approx(base, abs=0.05)
        spectrum = np.fft.rfft(lines)
        gain = hum.comb(np.fft.rfftfreq(len(lines), 1 / RATE), found)
        assert decibels(np.linalg.norm(spectrum * gain) / np.linalg.norm(spectrum)) < -12

    def test_a_voice_and_a_tune_are_no_hum(self) -> None:
        tune = np.concatenate([sum(sine(f * n, 1, 0.1 / n) for n in range(1, 9)) for f in (49, 61.7, 55, 73.4) * 4])
        for sound in (speech(14), tune):
            ear = hum.HumEar()
            ear.take(sound.astype(np.float32))
            assert ear.found() is None


class TestLevelling:
    def energies(self, *levels: tuple[float, int]) -> Any:
        """K-weighted energies of stretches of so many LUFS and frames."""
        return np.concatenate([np.full(count, 10 ** ((lufs + 0.691) / 10), np.float32) for lufs, count in levels])

    def test_two_speakers_meet_and_the_pauses_stay_down(self) -> None:
        turns = [(-20.0, 40), (-65.0, 15), (-38.0, 40), (-65.0, 15)] * 5
        energy = self.energies(*turns)
        gains = level.gains(energy, np.ones(len(energy), np.bool_), 15.0)
        after = meter.lufs(energy) + gains
        loud, quiet = (
            np.concatenate([after[start + 5 : start + 35] for start in range(at, 550, 110)]) for at in (0, 55)
        )
        assert abs(loud.mean() - quiet.mean()) < 1.5
        pauses = np.concatenate([gains[start + 45 : start + 50] for start in range(0, 550, 110)])
        assert pauses.max() < 6

    def test_one_speaker_is_left_alone(self) -> None:
        energy = self.energies(*[(-24.0, 30), (-60.0, 10)] * 10)
        assert np.abs(level.gains(energy, np.ones(len(energy), np.bool_), 15.0)).max() < 0.5

    def test_what_is_no_speech_is_not_moved(self) -> None:
        energy = self.energies((-20.0, 100))
        assert not level.gains(energy, np.zeros(100, np.bool_), 15.0).any()


class TestLimiter:
    def test_no_true_peak_passes_and_what_is_quiet_is_untouched(self) -> None:
        dice = np.random.default_rng(3)
        spectrum = np.fft.rfft(dice.standard_normal((RATE, 2)), axis=0)
        spectrum[16_000:] = 0  # hertz: what lossy encoders keep
        sound = np.fft.irfft(spectrum, axis=0).astype(np.float32) * 0.4
        sound[: RATE // 2] *= 0.1
        heard = limit.limited(sound, 0.5)
        assert meter.true_peak(heard[:, 0]) < 0.5 * 1.03
        assert np.array_equal(heard[: RATE // 2 - 4800], sound[: RATE // 2 - 4800])

    def test_peaks_between_samples_count(self) -> None:
        # a quarter of the rate, sampled 45 degrees beside its peaks: samples 3 dB under the true peak
        sound = sine(RATE / 4, 1, 1.0, np.pi / 4)[:, None]
        assert np.abs(sound).max() == pytest.approx(0.7071, abs=1e-3)
        assert np.abs(limit.limited(sound, 0.8)[4800:-4800]).max() == pytest.approx(0.7071 * 0.8, rel=0.02)


class TestMeter:
    def test_the_calibration_tone_of_ebu_tech_3341(self) -> None:
        tone = sine(1000, 20, 10 ** (-23 / 20))
        listener = meter.Meter(2)
        listener.take(np.stack([tone, tone], axis=1))
        listener.close()
        found = listener.loudness()
        assert found.integrated_lufs == pytest.approx(-23, abs=0.1)
        assert found.true_peak_dbtp == pytest.approx(-23, abs=0.1)
        assert found.range_lu == pytest.approx(0, abs=0.1)

    def test_the_gates_leave_silence_out(self) -> None:
        tone = np.concatenate([sine(1000, 10, 0.1), sine(1000, 10, 1e-4), np.zeros(10 * RATE, np.float32)])
        listener = meter.Meter(1)
        listener.take(tone[:, None])
        listener.close()
        assert listener.loudness().integrated_lufs == pytest.approx(-23.0, abs=0.2)

    def test_less_than_a_gating_block_has_no_loudness(self) -> None:
        listener = meter.Meter(1)
        listener.take(sine(1000, 0.3)[:, None])
        listener.close()
        assert listener.loudness().integrated_lufs is None


class TestStore:
    def test_sixteen_bits_below_each_tenth_of_a_second(self, tmp_path: Path) -> None:
        quiet, loud = sine(440, 0.1, 1e-4), sine(440, 0.1, 30.0)  # beyond full scale too
        with store.Store(tmp_path / "x", 1) as kept:
            kept.write(1, np.concatenate([quiet, loud])[:, None])
            heard = kept.read(-1, 5)[:, 0]
            assert not list(tmp_path.iterdir())  # nothing is left to clean up
        assert not heard[:9600].any()
        assert decibels(np.abs(heard[9600:14400] - quiet).max() / 1e-4) < -90
        assert decibels(np.abs(heard[14400:19200] - loud).max() / 30) < -90
        assert not heard[19200:].any()


class TestContent:
    def found(self, *stretches: tuple[float, float, int]) -> content.Content:
        """Stretches of a level in dB, what the denoiser leaves of it in dB, and frames."""
        before = np.concatenate([np.full(count, 10 ** (loud / 10), np.float32) for loud, _, count in stretches])
        share = np.concatenate([np.full(count, 10 ** (left / 10), np.float32) for _, left, count in stretches])
        known = np.ones(len(before), np.bool_)
        nothing: Any = None
        return content.content_of(
            process.Processed(nothing, nothing, nothing, 0, before, before, before, before * share, known)
        )

    def test_music_before_speech_is_kept(self) -> None:
        found = self.found((25, -40, 100), (30, -0.1, 200))
        assert found.keep[20:70].min() == 1
        assert found.keep[130:].max() == 0
        assert found.speech[130:280].all()

    def test_noise_between_words_is_not(self) -> None:
        found = self.found((30, -3, 60), (27, -40, 60), (30, -3, 60))
        assert found.keep.max() == 0

    def test_without_speech_everything_is_kept(self) -> None:
        found = self.found((30, -40, 100))
        assert not found.has_speech
        assert found.keep.min() == 1


def test_only_harsh_sibilants_are_lowered() -> None:
    vowel, hiss = sine(300, 1, 0.3), np.random.default_rng(4).standard_normal(RATE).astype(np.float32)
    spectrum = np.fft.rfft(hiss)
    spectrum[:5000] = 0
    hiss = np.fft.irfft(spectrum).astype(np.float32)
    for strength, lowest, highest in ((0.03, -0.1, 0.1), (1.2, -7.0, -2.0)):
        sound = np.concatenate([vowel, hiss / hiss.std() * 0.2 * strength * 1.5, vowel])
        spectrum = stft.analyse(sound)[None]
        deess.soften(spectrum, deess.cuts(*deess.powers(spectrum), 6.0))
        heard = stft.synthesise(spectrum[0])
        middle = slice(int(1.2 * RATE), int(1.8 * RATE))
        assert lowest <= decibels(heard[middle].std() / sound[middle].std()) <= highest


def test_music_keeps_its_shape_under_the_speech_preset(tmp_path: Path) -> None:
    source = "aevalsrc='0.2*sin(2*PI*110*t)*(0.6+0.4*sin(2*PI*2*t))+0.1*sin(2*PI*554*t)+0.1*sin(2*PI*659*t)':s=48000"
    recording = media.tone(tmp_path / "in.wav", "-c:a", "pcm_f32le", seconds=8, source=source)
    (tmp_path / "out").mkdir()
    report = clean(recording, tmp_path / "out", preset("podcast", {"formats": ["wav"]}), Control())
    before, after = (media.samples(path, RATE, 1)[:, 0] for path in (recording, tmp_path / "out/audio.wav"))
    assert len(before) == len(after)
    scaled = before * (before @ after) / (before @ before)
    assert decibels(np.linalg.norm(scaled) / np.linalg.norm(after - scaled)) > 30
    assert report["detected"]["speech"] is False


def test_every_file_that_is_promised_is_written(tmp_path: Path) -> None:
    recording = media.speech(tmp_path / "in.wav", seconds=5)
    (tmp_path / "out").mkdir()
    clean(recording, tmp_path / "out", preset("podcast", {"formats": ["m4a", "mp3", "wav", "opus"]}), Control())
    names = {path.name for path in (tmp_path / "out").iterdir()}
    pictures = {"waveform.png", "waveform.json", "spectrogram.png", "loudness.json", "report.json"}
    assert names == {"audio.m4a", "audio.mp3", "audio.wav", "audio.opus", *pictures}
    assert {file for file, _ in results(tmp_path / "out").values()} == names
    peaks = json.loads((tmp_path / "out/waveform.json").read_text())
    assert peaks["version"] == 2
    assert peaks["length"] * 2 == len(peaks["data"])
    assert peaks["length"] == pytest.approx(5 * peaks["sample_rate"] / peaks["samples_per_pixel"], abs=2)
    assert -128 <= min(peaks["data"]) < 0 < max(peaks["data"]) <= 127
    for name in ("mp3", "wav", "opus"):
        assert media.measure(tmp_path / f"out/audio.{name}").lufs == pytest.approx(-16, abs=0.5)
        assert media.measure(tmp_path / f"out/audio.{name}").dbtp <= -1.0


class TestOverrides:
    def test_fields_are_changed_within_their_limits(self) -> None:
        chosen = preset("podcast", {"loudness_lufs": -18, "denoise_db": 12, "formats": ["opus"], "hum": False})
        assert (chosen.loudness_lufs, chosen.denoise_db, chosen.hum) == (-18.0, 12.0, False)
        assert chosen.formats == ("m4a", "opus")
        assert preset("podcast").loudness_lufs == -16.0

    @pytest.mark.parametrize(
        "overrides",
        [
            {"loudness_lufs": 0},
            {"true_peak_dbtp": -0.5},
            {"denoise_db": "12"},
            {"denoise_db": float("nan")},
            {"hum": 1},
            {"formats": ["exe"]},
            {"formats": []},
            {"max_bytes": 1},
            {"name": "x"},
        ],
    )
    def test_anything_else_is_refused_in_a_sentence(self, overrides: dict[str, object]) -> None:
        with pytest.raises(BadInputError) as caught:
            preset("podcast", overrides)
        assert caught.value.code == "bad_override"
        assert caught.value.sentence.endswith(".")
