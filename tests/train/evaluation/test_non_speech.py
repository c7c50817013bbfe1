from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from patience import TRAINING_PATIENCE_S
from process import Command
from stream_ser_train.evaluation.non_speech import BLOCK_S, LEVELS_DB, SIGNALS, blocks, count_labels

from stream_ser.audio.sources.file import DEMO

pytestmark = pytest.mark.training


@pytest.mark.parametrize("name", sorted(SIGNALS))
def test_a_signal_has_its_length_and_level_and_is_the_same_each_time(name: str) -> None:
    one, again = list(blocks(name, 1.0, 0, 16_000)), list(blocks(name, 1.0, 0, 16_000))
    assert [len(block) for block in one] == [BLOCK_S * 16_000] * 6
    for number, (block, same) in enumerate(zip(one, again, strict=True)):
        np.testing.assert_array_equal(block, same)
        level = 10 ** (LEVELS_DB[number % len(LEVELS_DB)] / 20)
        assert np.abs(block).max() == pytest.approx(0.0 if name == "silence" else level, rel=1e-4)


def test_pink_noise_falls_by_three_decibels_an_octave() -> None:
    (first, *_) = blocks("pink noise", 1.0, 0, 16_000)
    power = np.abs(np.fft.rfft(first)) ** 2
    octaves = [power[BLOCK_S * hertz : 2 * BLOCK_S * hertz].mean() for hertz in (125, 250, 500, 1000, 2000)]
    np.testing.assert_allclose(-np.diff(10 * np.log10(octaves)), 3.0, atol=0.5)


def test_speech_among_the_signals_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    demo, _ = soundfile.read(DEMO)
    monkeypatch.setitem(SIGNALS, "speech", lambda rng, rate: demo[10 * rate : 20 * rate])
    assert count_labels("speech", 1 / 6, 0) > 10


def test_sounds_without_speech_get_no_label(tmp_path: Path) -> None:
    with Command(
        "evaluate", "--protocol", "non-speech", "--quick", "--out", str(tmp_path), patience_s=TRAINING_PATIENCE_S
    ) as command:
        assert command.wait() == 0, command.errors
    result = json.loads((tmp_path / "non-speech.json").read_text())
    assert result["signals"] == {name: {"minutes": 0.5, "emotion_messages": 0} for name in SIGNALS}
