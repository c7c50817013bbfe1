from __future__ import annotations

import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from batch_sizes import record_batch_sizes
from patience import stretched
from signals import RATE, LoudnessDetector, Samples, silence, voice

from stream_ser.audio.resample import resample
from stream_ser.audio.ring import Discontinuity, SampleRing
from stream_ser.audio.sources.file import DEMO
from stream_ser.core.engine import RING_SECONDS, Engine, Stream, Worker
from stream_ser.core.recognizer import Hop, Recognizer
from stream_ser.events import Emotion, Event, Gap, SpeechEnd, SpeechStart
from stream_ser.features import MfccSettings
from stream_ser.models.classifier import Classifier, load_classifier
from stream_ser.models.providers import ProviderChoice
from stream_ser.models.window import Window

pytestmark = pytest.mark.unit


@pytest.fixture
def classifier(bundles: Path) -> Classifier:
    return load_classifier(bundles, MfccSettings(), ProviderChoice.CPU, 3.0)


class Listener:
    """A stream with everything it delivered."""

    def __init__(self, engine: Engine, rate: int = RATE) -> None:
        self.events: list[Event] = []
        self.ends = 0
        recognizer = Recognizer(MfccSettings(), detector=LoudnessDetector())
        self.stream: Stream = engine.add(rate, recognizer, self.events.extend, self._end)

    def _end(self) -> None:
        self.ends += 1

    def write(self, samples: Samples, *, last: bool = False) -> None:
        self.stream.ring.write(samples)
        if last:
            self.stream.ring.end()


def settle(engine: Engine) -> None:
    while engine.step():
        pass


def talk(seed: int) -> Samples:
    rng = np.random.default_rng(seed)
    parts = [silence(0.2 + 0.1 * seed), voice(0.5 + 0.2 * seed, rng), silence(0.8), voice(0.6, rng)]
    return np.concatenate(parts)


def assert_same(got: list[Event], expected: list[Event]) -> None:
    assert [type(event) for event in got] == [type(event) for event in expected]
    for one, other in zip(got, expected, strict=True):
        if isinstance(one, Emotion) and isinstance(other, Emotion):
            assert (one.start, one.end, one.label, one.is_final) == (other.start, other.end, other.label, other.is_final)
            assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)
        else:
            assert one == other


def test_streams_together_hear_what_they_hear_alone(classifier: Classifier) -> None:
    alone = []
    for seed in range(4):
        engine = Engine(classifier)
        listener = Listener(engine)
        listener.write(talk(seed), last=True)
        settle(engine)
        alone.append(listener.events)
    engine = Engine(classifier)
    together = [Listener(engine) for _ in range(4)]
    for start in range(0, 80_000, 700):
        for seed, listener in enumerate(together):
            signal = talk(seed)
            if start < len(signal):
                listener.write(signal[start : start + 700], last=start + 700 >= len(signal))
        if start % 2_100 == 0:
            settle(engine)
    settle(engine)
    for listener, expected in zip(together, alone, strict=True):
        assert len(expected) > 6
        assert_same(listener.events, expected)
        assert listener.ends == 1


def test_one_call_answers_the_windows_of_all_streams(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = record_batch_sizes(monkeypatch, classifier)
    engine = Engine(classifier)
    for _ in range(5):
        Listener(engine).write(talk(1), last=True)
    settle(engine)
    assert set(sizes) == {0, 5}


def test_any_rate_gives_the_events_of_the_recognisers_rate(classifier: Classifier) -> None:
    def hear(rate: int) -> list[Event]:
        engine = Engine(classifier)
        listener = Listener(engine, rate)
        listener.write(resample(talk(2), RATE, rate), last=True)
        settle(engine)
        return listener.events

    expected = hear(RATE)
    for rate in (44_100, 48_000):
        got = hear(rate)
        assert [type(event) for event in got if not isinstance(event, Emotion)] == [
            type(event) for event in expected if not isinstance(event, Emotion)
        ]
        starts = [event.start for event in got if isinstance(event, SpeechStart)]
        np.testing.assert_allclose(starts, [e.start for e in expected if isinstance(e, SpeechStart)], atol=0.04)


def test_audio_that_the_ring_could_not_hold_is_told_as_a_gap(classifier: Classifier) -> None:
    engine = Engine(classifier)
    listener = Listener(engine)
    listener.write(silence(1.0))
    settle(engine)
    listener.write(silence(RING_SECONDS + 2.5))
    listener.write(voice(0.8, np.random.default_rng(0)), last=True)
    settle(engine)
    gaps = [event for event in listener.events if isinstance(event, Gap)]
    assert [(gap.start, gap.reason) for gap in gaps] == [(1.0, "overflow")]
    assert gaps[0].seconds == pytest.approx(2.5 + 0.8)
    (start,) = [event.start for event in listener.events if isinstance(event, SpeechStart)]
    assert start == pytest.approx(1.0 + RING_SECONDS + 2.5, abs=0.04)


@pytest.mark.parametrize("many", [2, 16], ids=["beside each other", "one by one"])
def test_streams_that_join_and_leave_at_any_time_hear_what_they_hear_alone(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    """With the real detector, whose network hears all streams together."""
    monkeypatch.setattr("stream_ser.core.engine.MANY", many)
    monkeypatch.setattr("stream_ser.core.engine.BLOCK", many)
    monkeypatch.setattr("stream_ser.models.classifier.MANY", many)
    demo, _ = soundfile.read(DEMO, dtype="float32")

    def signal(number: int) -> Samples:
        begin = RATE * (1 + 3 * number)
        return np.asarray(demo[begin : begin + 5 * RATE], np.float32)

    def open_stream(engine: Engine, events: list[Event]) -> Stream:
        return engine.add(RATE, Recognizer(MfccSettings(), step=classifier.step), events.extend, lambda: None)

    alone: list[list[Event]] = []
    for number in range(5):
        engine, events = Engine(classifier), list[Event]()
        stream = open_stream(engine, events)
        for half in np.array_split(signal(number), 2):
            stream.ring.write(half)
            settle(engine)
        stream.ring.end()
        settle(engine)
        alone.append(events)
    engine, together = Engine(classifier), [list[Event]() for _ in range(5)]
    streams: dict[int, Stream] = {}
    for turn in range(60):
        for number in range(5):
            piece = signal(number)[1_777 * (turn - 3 * number) :][:1_777] if turn >= 3 * number else silence(0.0)
            if turn == 3 * number:
                streams[number] = open_stream(engine, together[number])
            if len(piece):
                streams[number].ring.write(piece)
            elif number in streams and not streams[number].ring.ended:
                streams[number].ring.end()
        settle(engine)
    for got, expected in zip(together, alone, strict=True):
        assert sum(isinstance(event, Emotion) for event in expected) > 5
        assert_same(got, expected)


def test_a_warm_engine_keeps_its_memory_flat() -> None:
    classifier = load_classifier(None, MfccSettings(), ProviderChoice.CPU, 3.0)
    engine, demo = Engine(classifier), soundfile.read(DEMO, dtype="float32")[0]
    stream = engine.add(RATE, Recognizer(MfccSettings(), step=classifier.step), lambda events: None, lambda: None)

    def hear() -> None:
        for piece in np.array_split(demo, 250):
            stream.ring.write(piece)
            settle(engine)

    hear()
    tracemalloc.start()
    hear()
    before = tracemalloc.take_snapshot()
    hear()
    after = tracemalloc.take_snapshot()
    tracemalloc.stop()
    grown = sum(one.size_diff for one in after.compare_to(before, "filename") if "tracemalloc" not in str(one.traceback))
    assert grown < 20_000, "bytes kept of 25 s of sound"


class Recording(Recognizer):
    """A recogniser that keeps what it hears."""

    def __init__(self) -> None:
        super().__init__(MfccSettings(), detector=LoudnessDetector())
        self.heard: list[Samples] = []
        self.skipped: list[int] = []
        """How many pieces it had heard at each loss."""

    def skip(self, samples: int, reason: str) -> Window | None:
        self.skipped.append(len(self.heard))
        return super().skip(samples, reason)

    def take(self, samples: Samples) -> tuple[int, Hop | None]:
        taken, hop = super().take(samples)
        self.heard.append(samples[:taken].copy())
        return taken, hop


def test_what_is_written_while_the_worker_goes_to_sleep_is_heard(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(classifier)
    stream = engine.add(RATE, Recognizer(MfccSettings()), lambda events: None, lambda: None)
    late = [silence(0.1)]

    def falling_asleep(ring: SampleRing, wanted: int) -> None:
        ring.__dict__["wanted"] = 10**9  # the write does not wake a worker that does not wait yet
        if late:
            ring.write(late.pop())
        ring.__dict__["wanted"] = wanted

    monkeypatch.setattr(SampleRing, "wanted", property(lambda ring: ring.__dict__["wanted"], falling_asleep), raising=False)
    assert engine.step()
    assert stream.recognizer.time == pytest.approx(0.1)


@pytest.mark.parametrize(("rate", "most"), [(16_000, 1), (44_100, 2)], ids=["as it is", "resampled"])
def test_the_worker_is_woken_once_a_hop_or_twice_since_a_resampler_holds_back(
    classifier: Classifier, rate: int, most: int
) -> None:
    engine = Engine(classifier)
    stream = engine.add(rate, Recognizer(MfccSettings()), lambda events: None, lambda: None)
    settle(engine)
    engine.filled.wait(0.0)
    woken = 0
    for _ in range(300):
        stream.ring.write(np.zeros(rate // 100, np.float32))
        if engine.filled.wait(0.0):
            woken += 1
            settle(engine)
    assert 28 <= woken <= 30 * most, "three seconds in blocks of 10 ms"
    assert stream.recognizer.time > 2.8


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_a_source_is_heard_to_its_last_sample(classifier: Classifier, rate: int) -> None:
    engine, recognizer = Engine(classifier), Recording()
    stream = engine.add(rate, recognizer, lambda events: None, lambda: None)
    signal = voice(1.3, np.random.default_rng(0))
    stream.ring.write(resample(signal, RATE, rate))
    stream.ring.end()
    settle(engine)
    assert sum(map(len, recognizer.heard)) == pytest.approx(1.3 * RATE, abs=2)


def test_a_source_that_breaks_off_ends_the_utterance_and_goes_on_later_at_another_rate(classifier: Classifier) -> None:
    engine = Engine(classifier)
    listener = Listener(engine)
    listener.write(np.concatenate((silence(0.5), voice(1.0, np.random.default_rng(0)))))
    listener.stream.ring.interrupt(Discontinuity(0, RATE))
    settle(engine)
    assert isinstance(listener.events[-1], SpeechEnd)
    assert not any(isinstance(event, Gap) for event in listener.events)
    listener.stream.ring.interrupt(Discontinuity(3 * 8_000, 8_000))
    listener.stream.ring.write(resample(np.concatenate((silence(1.0), voice(1.0, np.random.default_rng(1)))), RATE, 8_000))
    listener.stream.ring.end()
    settle(engine)
    (gap,) = (event for event in listener.events if isinstance(event, Gap))
    assert (gap.start, gap.seconds, gap.reason) == (1.5, 3.0, "source_lost")
    starts = [event.start for event in listener.events if isinstance(event, SpeechStart)]
    np.testing.assert_allclose(starts, [0.5, 1.5 + 3.0 + 1.0], atol=0.05)


def test_nothing_from_before_a_gap_is_heard_after_it(classifier: Classifier) -> None:
    engine, recognizer = Engine(classifier), Recording()
    rate = 48_000
    stream = engine.add(rate, recognizer, lambda events: None, lambda: None)
    stream.ring.write(np.ones(rate, np.float32))
    settle(engine)
    stream.ring.write(np.zeros(round((RING_SECONDS + 1) * rate), np.float32))
    stream.ring.end()
    settle(engine)
    (before,) = recognizer.skipped
    assert np.concatenate(recognizer.heard[:before]).any()
    assert not np.concatenate(recognizer.heard[before:]).any()


def test_a_worker_hears_what_is_written_until_it_is_stopped(classifier: Classifier) -> None:
    engine, failures = Engine(classifier), list[BaseException]()
    ended = threading.Event()
    listener = Listener(engine)
    listener.stream.on_end = ended.set
    worker = Worker(engine, failures.append)
    worker.start()
    signal = talk(1)
    for start in range(0, len(signal), 320):
        listener.write(signal[start : start + 320])
    listener.stream.ring.end()
    assert ended.wait(stretched(30.0))
    worker.stop()
    assert sum(isinstance(event, Emotion) and event.is_final for event in listener.events) == 2
    assert failures == []


def test_a_worker_that_breaks_is_reported(classifier: Classifier) -> None:
    engine = Engine(classifier)
    failed = threading.Event()
    listener = Listener(engine)
    listener.stream.deliver = lambda events: [][len(events)]
    worker = Worker(engine, lambda error: failed.set() if isinstance(error, IndexError) else None)
    worker.start()
    listener.write(talk(1))
    assert failed.wait(stretched(30.0))
    worker.stop()


class Recorder:
    """A tap with all that it was given; what was lost is None."""

    def __init__(self) -> None:
        self.given: list[Samples | int] = []

    def heard(self, samples: Samples) -> None:
        self.given.append(samples.copy())

    def lost(self, samples: int) -> None:
        self.given.append(samples)


@pytest.mark.parametrize(("rate", "next_rate"), [(RATE, RATE), (48_000, 8_000), (44_100, 44_100), (8_000, 48_000)])
def test_of_what_a_source_gave_before_a_break_nothing_is_lost(classifier: Classifier, rate: int, next_rate: int) -> None:
    engine, events, tap = Engine(classifier), list[Event](), Recorder()
    recognizer = Recognizer(MfccSettings(), detector=LoudnessDetector())
    stream = engine.add(rate, recognizer, events.extend, lambda: None, tap)
    before, after = talk(0), talk(1)
    stream.ring.write(resample(before, RATE, rate)[: 2 * rate])
    stream.ring.interrupt(Discontinuity(round(0.3 * next_rate), next_rate))
    settle(engine)
    stream.ring.write(resample(after, RATE, next_rate)[: stream.ring.capacity - 1])
    stream.ring.end()
    settle(engine)
    (gap,) = (event for event in events if isinstance(event, Gap))
    assert gap.start == pytest.approx(min(len(before) / RATE, 2.0), abs=2 / RATE)
    assert gap.seconds == pytest.approx(0.3, abs=1 / RATE)
    given = [piece for piece in tap.given if isinstance(piece, np.ndarray)]
    assert sum(map(len, given)) + round(0.3 * RATE) == round(recognizer.time * RATE)
    first = np.concatenate(given)[: min(len(before), 2 * RATE) - 200]
    np.testing.assert_allclose(first, before[: len(first)], atol=0.05)


def test_a_worker_that_is_too_slow_is_never_later_than_the_ring(classifier: Classifier) -> None:
    engine = Engine(classifier)
    listener = Listener(engine)
    recognizer, signal = listener.stream.recognizer, np.tile(talk(1), 10)
    hop, written = RATE // 10, 0
    while written + 2 * hop <= len(signal):  # two hops come while it hears one
        listener.write(signal[written : written + 2 * hop])
        written += 2 * hop
        engine.step()
        assert written / RATE - recognizer.time <= RING_SECONDS + 0.11
    settle(engine)
    assert recognizer.time == written / RATE, "and it catches up when it can"
    gaps = [event for event in listener.events if isinstance(event, Gap)]
    assert {gap.reason for gap in gaps} == {"overflow"}
    assert sum(gap.seconds for gap in gaps) == pytest.approx(written / RATE / 2 - RING_SECONDS, abs=0.2)
