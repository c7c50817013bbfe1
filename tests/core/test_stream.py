from __future__ import annotations

import numpy as np
import pytest
from signals import RATE, Samples, silence, voice
from streams import Recorded, loudness_backend, settle

from stream_ser.audio.resample import resample
from stream_ser.audio.ring import Discontinuity, SampleRing
from stream_ser.core.engine import Engine
from stream_ser.core.stream import RING_S
from stream_ser.events import Gap, SpeechEnd, SpeechStart

pytestmark = pytest.mark.unit


class Tap:
    """Collects what it is given; a loss is a number."""

    def __init__(self) -> None:
        self.given: list[Samples | int] = []

    def on_samples(self, samples: Samples) -> None:
        self.given.append(samples.copy())

    def on_loss(self, samples: int) -> None:
        self.given.append(samples)

    @property
    def samples(self) -> Samples:
        return np.concatenate([piece for piece in self.given if isinstance(piece, np.ndarray)])


def talk(seed: int) -> Samples:
    rng = np.random.default_rng(seed)
    return np.concatenate((silence(0.2), voice(0.7, rng), silence(0.8), voice(0.6, rng)))


def test_what_is_written_while_the_worker_goes_to_sleep_is_processed(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(loudness_backend())
    stream = Recorded(engine).stream
    late = [silence(0.1)]

    def falling_asleep(ring: SampleRing, wanted: int) -> None:
        ring.__dict__["wanted"] = 10**9  # the write does not wake a worker that does not wait yet
        if late:
            ring.write(late.pop())
        ring.__dict__["wanted"] = wanted

    monkeypatch.setattr(SampleRing, "wanted", property(lambda ring: ring.__dict__["wanted"], falling_asleep), raising=False)
    assert engine.step()
    assert stream.time == pytest.approx(0.1)


@pytest.mark.parametrize(("rate", "most"), [(16_000, 1), (44_100, 2)], ids=["as it is", "resampled"])
def test_the_worker_is_woken_once_a_hop_or_twice_since_a_resampler_holds_back(rate: int, most: int) -> None:
    engine = Engine(loudness_backend())
    stream = Recorded(engine, rate).stream
    settle(engine)
    engine.filled.wait(0.0)
    woken = 0
    for _ in range(300):
        stream.ring.write(np.zeros(rate // 100, np.float32))
        if engine.filled.wait(0.0):
            woken += 1
            settle(engine)
    assert 28 <= woken <= 30 * most, "three seconds in blocks of 10 ms"
    assert stream.time > 2.8


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_a_source_is_processed_to_its_last_sample(rate: int) -> None:
    engine, tap = Engine(loudness_backend()), Tap()
    recorded = Recorded(engine, rate, tap)
    recorded.write(resample(voice(1.3, np.random.default_rng(0)), RATE, rate), last=True)
    settle(engine)
    assert len(tap.samples) == pytest.approx(1.3 * RATE, abs=2)
    assert recorded.stream.time == pytest.approx(1.3, abs=2 / RATE)


def test_a_source_that_breaks_off_ends_the_utterance_and_goes_on_later_at_another_rate() -> None:
    engine = Engine(loudness_backend())
    recorded = Recorded(engine)
    recorded.write(np.concatenate((silence(0.5), voice(1.0, np.random.default_rng(0)))))
    recorded.stream.ring.interrupt(Discontinuity(0, RATE))
    settle(engine)
    assert isinstance(recorded.events[-1], SpeechEnd)
    assert not any(isinstance(event, Gap) for event in recorded.events)
    recorded.stream.ring.interrupt(Discontinuity(3 * 8_000, 8_000))
    recorded.write(resample(np.concatenate((silence(1.0), voice(1.0, np.random.default_rng(1)))), RATE, 8_000), last=True)
    settle(engine)
    (gap,) = (event for event in recorded.events if isinstance(event, Gap))
    assert (gap.start, gap.seconds, gap.reason) == (1.5, 3.0, "source_lost")
    starts = [event.start for event in recorded.events if isinstance(event, SpeechStart)]
    np.testing.assert_allclose(starts, [0.5, 1.5 + 3.0 + 1.0], atol=0.05)


def test_nothing_from_before_a_gap_comes_after_it() -> None:
    engine, tap, rate = Engine(loudness_backend()), Tap(), 48_000
    recorded = Recorded(engine, rate, tap)
    recorded.write(np.ones(rate, np.float32))
    settle(engine)
    recorded.write(np.zeros(round((RING_S + 1) * rate), np.float32), last=True)
    settle(engine)
    (loss,) = (number for number, piece in enumerate(tap.given) if isinstance(piece, int))
    before, after = tap.given[:loss], tap.given[loss + 1 :]
    assert np.concatenate([np.asarray(piece) for piece in before]).any()
    assert not np.concatenate([np.asarray(piece) for piece in after]).any()


@pytest.mark.parametrize(("rate", "next_rate"), [(RATE, RATE), (48_000, 8_000), (44_100, 44_100), (8_000, 48_000)])
def test_of_what_a_source_gave_before_a_discontinuity_nothing_is_lost(rate: int, next_rate: int) -> None:
    engine, tap = Engine(loudness_backend()), Tap()
    recorded = Recorded(engine, rate, tap)
    ring, before, after = recorded.stream.ring, talk(0), talk(1)
    ring.write(resample(before, RATE, rate)[: 2 * rate])
    ring.interrupt(Discontinuity(round(0.3 * next_rate), next_rate))
    settle(engine)
    ring.write(resample(after, RATE, next_rate)[: ring.capacity - 1])
    ring.end()
    settle(engine)
    (gap,) = (event for event in recorded.events if isinstance(event, Gap))
    assert gap.start == pytest.approx(min(len(before) / RATE, 2.0), abs=2 / RATE)
    assert gap.seconds == pytest.approx(0.3, abs=1 / RATE)
    assert len(tap.samples) + round(0.3 * RATE) == round(recorded.stream.time * RATE)
    first = tap.samples[: min(len(before), 2 * RATE) - 200]
    np.testing.assert_allclose(first, before[: len(first)], atol=0.05)


def test_a_worker_that_is_too_slow_is_never_later_than_the_ring() -> None:
    engine = Engine(loudness_backend())
    recorded, signal = Recorded(engine), np.tile(talk(1), 10)
    hop, written = RATE // 10, 0
    while written + 2 * hop <= len(signal):  # two hops come while it processes one
        recorded.write(signal[written : written + 2 * hop])
        written += 2 * hop
        engine.step()
        assert written / RATE - recorded.stream.time <= RING_S + 0.11
    settle(engine)
    assert recorded.stream.time == written / RATE, "and it catches up when it can"
    gaps = [event for event in recorded.events if isinstance(event, Gap)]
    assert {gap.reason for gap in gaps} == {"overflow"}
    assert sum(gap.seconds for gap in gaps) == pytest.approx(written / RATE / 2 - RING_S, abs=0.2)


def test_after_a_change_of_rate_the_ring_holds_as_many_seconds_as_before() -> None:
    engine = Engine(loudness_backend())
    recorded = Recorded(engine, 48_000)
    ring = recorded.stream.ring
    ring.interrupt(Discontinuity(0, 8_000))
    settle(engine)
    assert ring.room == RING_S * 8_000
    ring.write(np.zeros(round((RING_S + 1.0) * 8_000), np.float32))
    settle(engine)
    assert [(gap.seconds, gap.reason) for gap in recorded.events if isinstance(gap, Gap)] == [(1.0, "overflow")]


def test_interruptions_without_audio_between_them_cost_no_hop() -> None:
    engine = Engine(loudness_backend())
    recorded = Recorded(engine)
    recorded.write(silence(0.25))
    for _ in range(100):
        recorded.stream.ring.interrupt(Discontinuity(0, RATE))
    steps = 0
    while engine.step():
        steps += 1
    assert steps == 3, "two hops and the rest of one"
