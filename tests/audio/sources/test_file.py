from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from patience import stretched
from signals import RATE, voice

from stream_ser.audio.ring import SampleRing, WakeEvent
from stream_ser.audio.sources.file import DEMO, FileSource
from stream_ser.audio.sources.source import AudioError

pytestmark = pytest.mark.unit


def play(source: FileSource, capacity: int = 1_000) -> np.ndarray:
    """Everything that the source writes, read from a ring far smaller than the file."""
    ring = SampleRing(capacity, WakeEvent())
    source.start(ring, lambda state, reason: None)
    parts: list[np.ndarray] = []
    while True:
        ended = ring.ended
        chunk = ring.read(capacity)
        assert chunk.lost == 0
        parts.append(chunk.samples)
        if ended and not len(chunk.samples):
            source.stop()
            return np.concatenate(parts)
        if not len(chunk.samples):
            ring.filled.wait(0.1)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("channels", [1, 2])
def test_files_of_any_kind_are_read_to_their_end(tmp_path: Path, rate: int, subtype: str, channels: int) -> None:
    signal = voice(0.5, np.random.default_rng(0))
    block = np.stack([signal] * channels, axis=1)
    soundfile.write(tmp_path / "a.wav", block, rate, subtype=subtype)
    source = FileSource(tmp_path / "a.wav", realtime=False)
    assert source.sample_rate == rate
    np.testing.assert_allclose(play(source), signal, atol=1e-4)


def test_channels_are_mixed(tmp_path: Path) -> None:
    left, right = np.full(500, 0.5), np.full(500, -0.25)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), RATE, subtype="FLOAT")
    np.testing.assert_allclose(play(FileSource(tmp_path / "a.wav", realtime=False)), 0.125, atol=1e-6)


def test_realtime_keeps_the_pace_of_a_microphone(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", voice(0.5, np.random.default_rng(0)), RATE)
    began = time.monotonic()
    play(FileSource(tmp_path / "a.wav", realtime=True), capacity=RATE)
    assert time.monotonic() - began >= 0.5


def test_stop_ends_a_file_in_the_middle() -> None:
    source, ring = FileSource(DEMO, realtime=True), SampleRing(100_000, WakeEvent())
    source.start(ring, lambda state, reason: None)
    assert ring.filled.wait(stretched(10.0))
    source.stop()
    assert ring.ended
    assert ring.room > 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "cannot read"),
        (b"this is no sound" * 100, "cannot read"),
        (b"RIFF\x24\0\0\0WAVE", "cannot read"),
    ],
)
def test_a_file_without_audio_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "a.wav"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(AudioError, match=message) as caught:
        FileSource(file, realtime=False)
    assert str(file) in str(caught.value)


def test_a_file_without_samples_is_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.empty(0), RATE)
    with pytest.raises(AudioError, match="holds no sound"):
        FileSource(tmp_path / "a.wav", realtime=False)
