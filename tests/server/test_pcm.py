from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_ser.protocol import AudioFormat, AudioStart
from stream_ser.server.pcm import MAX_AHEAD_S, MAX_BACKLOG_S, Pace, PcmDecoder

pytestmark = pytest.mark.unit

FORMATS = [(AudioFormat.S16LE, "<i2"), (AudioFormat.F32LE, "<f4")]


@pytest.mark.parametrize(("format_", "dtype"), FORMATS)
@given(channels=st.integers(1, 8), cuts=st.lists(st.integers(0, 2_000), max_size=10), seed=st.integers(0, 99))
def test_samples_do_not_depend_on_how_the_bytes_were_cut(
    format_: AudioFormat, dtype: str, channels: int, cuts: list[int], seed: int
) -> None:
    values = np.random.default_rng(seed).uniform(-1, 1, (60, channels))
    data = (values * 32_767 if dtype == "<i2" else values).astype(dtype).tobytes()
    decoder = PcmDecoder(AudioStart(sample_rate=16_000, format=format_, channels=channels))
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    got = np.concatenate([decoder.decode(data[a:b]) for a, b in itertools.pairwise(edges)])
    assert decoder.is_aligned
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, values.mean(axis=1), atol=1e-4)


@pytest.mark.parametrize(("format_", "dtype"), FORMATS)
def test_an_incomplete_sample_waits(format_: AudioFormat, dtype: str) -> None:
    decoder = PcmDecoder(AudioStart(sample_rate=8_000, format=format_, channels=2))
    data = np.zeros(2, dtype).tobytes()
    assert len(decoder.decode(data[:-1])) == 0
    assert not decoder.is_aligned
    assert len(decoder.decode(data[-1:])) == 1
    assert decoder.is_aligned


@given(st.binary(max_size=400))
def test_any_bytes_are_samples(data: bytes) -> None:
    for format_, _ in FORMATS:
        decoder = PcmDecoder(AudioStart(sample_rate=16_000, format=format_, channels=3))
        assert decoder.decode(data).dtype == np.float32


def test_audio_at_the_pace_of_time_is_all_accepted() -> None:
    pace = Pace(16_000, 100.0)
    assert all(pace.accept(320, 100.0 + 0.02 * number) == 320 for number in range(10_000))


def test_a_burst_is_accepted_and_what_goes_beyond_is_not() -> None:
    pace = Pace(1_000, 0.0)
    burst = round(MAX_AHEAD_S * 1_000)
    assert pace.accept(burst + 500, 0.0) == burst
    assert pace.accept(500, 0.0) == 0
    assert pace.accept(500, 0.25) == 250
    assert pace.accept(10_000, 10.25) == 10_000, "what was held up is accepted at once"
    late = round(MAX_BACKLOG_S * 1_000)
    assert pace.accept(10 * late, 1e6) == late, "up to a limit"


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 100_000)), max_size=50))
def test_never_more_is_accepted_than_time_and_a_burst_allow(arrivals: list[tuple[float, int]]) -> None:
    pace, now, accepted = Pace(16_000, 0.0), 0.0, 0
    for wait, samples in arrivals:
        now += wait
        accepted += pace.accept(samples, now)
        assert accepted <= 16_000 * (now + MAX_AHEAD_S) + 1
