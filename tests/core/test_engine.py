from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from signals import RATE, Samples, silence, talk_over_background, voice
from streams import MeanFrameModel, Recorded, events_of, loudness_backend, outline, settle
from tiny_bundles import write_tiny_bundles

from stream_ser.audio.resample import resample
from stream_ser.audio.ring import Discontinuity
from stream_ser.audio.sources.file import DEMO
from stream_ser.core.engine import Engine
from stream_ser.core.stream import RING_S
from stream_ser.events import Emotion, Event, Gap, SpeechEnd, SpeechStart
from stream_ser.features import MfccSettings
from stream_ser.models.classifier import Classifier, load_classifier
from stream_ser.models.providers import ProviderChoice

pytestmark = pytest.mark.unit


def talk(seed: int) -> Samples:
    rng = np.random.default_rng(seed)
    parts = [silence(0.2 + 0.1 * seed), voice(0.5 + 0.2 * seed, rng), silence(0.8), voice(0.6, rng)]
    return np.concatenate(parts)


def assert_same(found: list[Event], expected: list[Event]) -> None:
    assert [type(event) for event in found] == [type(event) for event in expected]
    for one, other in zip(found, expected, strict=True):
        if isinstance(one, Emotion) and isinstance(other, Emotion):
            assert (one.start, one.end, one.label, one.is_final) == (other.start, other.end, other.label, other.is_final)
            assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)
        else:
            assert one == other


def test_each_utterance_has_its_events_from_start_to_end(conversation: Samples) -> None:
    events = events_of(np.array_split(conversation, 3))
    assert outline(events) == ["SpeechStart", "interim", "final", "SpeechEnd"] * 2
    starts = [event.start for event in events if isinstance(event, SpeechStart)]
    ends = [event.end for event in events if isinstance(event, SpeechEnd)]
    np.testing.assert_allclose(starts, [0.7, 2.9], atol=0.04)
    np.testing.assert_allclose(ends, [1.9, 3.7], atol=0.04)
    finals = [event for event in events if isinstance(event, Emotion) and event.is_final]
    assert [(final.start, final.end) for final in finals] == list(zip(starts, ends, strict=True))


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(0, 73_600), max_size=30), hop=st.sampled_from([0.03, 0.1, 0.5]))
def test_events_do_not_depend_on_the_chunking(cuts: list[int], hop: float) -> None:
    rng = np.random.default_rng(7)
    signal = np.concatenate((silence(0.7), voice(1.2, rng), silence(1.0), voice(0.8, rng), silence(0.9)))
    second = list(range(RATE, len(signal), RATE))
    whole = events_of(np.split(signal, second), hop)
    assert len(whole) > 8
    assert events_of(np.split(signal, sorted(cuts + second)), hop) == whole


def test_an_answer_speaks_for_the_voice_and_not_for_the_background() -> None:
    events = events_of(np.array_split(talk_over_background(), 3))
    assert outline(events) == ["SpeechStart", "interim", "final", "SpeechEnd"]
    (final,) = (event for event in events if isinstance(event, Emotion) and event.is_final)
    (end,) = (event for event in events if isinstance(event, SpeechEnd))
    assert final.start == end.start == pytest.approx(1.5, abs=0.1)
    assert final.end == end.end


def test_silence_has_no_events() -> None:
    assert events_of([silence(2.5)] * 2) == []


def test_a_click_of_speech_gets_no_label() -> None:
    events = events_of([silence(0.5), voice(0.15, np.random.default_rng(0)), silence(1.0)])
    assert outline(events) == ["SpeechStart", "SpeechEnd"]


def test_there_is_no_label_while_an_utterance_pauses() -> None:
    rng = np.random.default_rng(0)
    events = events_of([voice(1.0, rng), silence(0.45), voice(0.5, rng), silence(1.0)])
    assert outline(events) == ["SpeechStart", "interim", "final", "SpeechEnd"]
    ends = [event.end for event in events if isinstance(event, Emotion)]
    assert not [end for end in ends if 1.25 < end < 1.45]


def test_the_end_of_the_stream_ends_the_utterance() -> None:
    events = events_of([voice(0.93, np.random.default_rng(0))])
    assert outline(events) == ["SpeechStart", "interim", "final", "SpeechEnd"]


def test_a_hop_that_holds_an_end_and_a_start_has_them_in_order() -> None:
    rng = np.random.default_rng(0)
    events = events_of([voice(1.45, rng), silence(0.55), voice(1.0, rng), silence(1.0)], hop=0.5)
    assert outline(events) == ["SpeechStart", "interim", "final", "SpeechEnd"] * 2


def test_a_stream_that_ends_within_a_hop_closes_what_began_in_it() -> None:
    rng = np.random.default_rng(0)
    events = events_of([silence(0.1), voice(0.55, rng), silence(0.6), voice(0.2, rng)], hop=0.5)
    assert outline(events) == ["SpeechStart", "interim", "final", "SpeechEnd", "SpeechStart", "SpeechEnd"]


def test_streams_together_have_the_events_that_they_have_alone() -> None:
    alone = [events_of(np.array_split(talk(seed), 2)) for seed in range(4)]
    engine = Engine(loudness_backend())
    together = [Recorded(engine) for _ in range(4)]
    for start in range(0, 80_000, 700):
        for seed, one in enumerate(together):
            signal = talk(seed)
            if start < len(signal):
                one.write(signal[start : start + 700], last=start + 700 >= len(signal))
        if start % 2_100 == 0:
            settle(engine)
    settle(engine)
    for one, expected in zip(together, alone, strict=True):
        assert len(expected) > 6
        assert_same(one.events, expected)
        assert one.ends == [None]


def test_one_call_answers_the_windows_of_all_streams() -> None:
    model = MeanFrameModel()
    engine = Engine(loudness_backend(model=model))
    for _ in range(5):
        Recorded(engine).write(talk(1), last=True)
    settle(engine)
    assert set(model.batch_sizes) == {5}


def test_any_rate_gives_the_events_of_the_recognisers_rate() -> None:
    def events_at(rate: int) -> list[Event]:
        engine = Engine(loudness_backend())
        recorded = Recorded(engine, rate)
        recorded.write(resample(talk(2), RATE, rate), last=True)
        settle(engine)
        return recorded.events

    expected = events_at(RATE)
    for rate in (44_100, 48_000):
        found = events_at(rate)
        assert outline(found) == outline(expected)
        starts = [event.start for event in found if isinstance(event, SpeechStart)]
        np.testing.assert_allclose(starts, [e.start for e in expected if isinstance(e, SpeechStart)], atol=0.04)


def test_audio_that_the_ring_could_not_hold_is_reported_as_a_gap() -> None:
    engine = Engine(loudness_backend())
    recorded = Recorded(engine)
    recorded.write(silence(1.0))
    settle(engine)
    recorded.write(silence(RING_S + 2.5))
    recorded.write(voice(0.8, np.random.default_rng(0)), last=True)
    settle(engine)
    gaps = [event for event in recorded.events if isinstance(event, Gap)]
    assert [(gap.start, gap.reason) for gap in gaps] == [(1.0, "overflow")]
    assert gaps[0].seconds == pytest.approx(2.5 + 0.8)
    (start,) = [event.start for event in recorded.events if isinstance(event, SpeechStart)]
    assert start == pytest.approx(1.0 + RING_S + 2.5, abs=0.04)


def test_a_loss_while_nothing_is_in_progress_is_reported_at_once() -> None:
    engine = Engine(loudness_backend(), hop=0.5)
    recorded = Recorded(engine)
    recorded.write(silence(1.0))
    settle(engine)
    recorded.stream.ring.interrupt(Discontinuity(3 * RATE, RATE))
    assert not engine.step(), "it takes no hop"
    assert recorded.events == [Gap(1.0, 3.0, "source_lost")]


def test_after_lost_audio_the_answers_are_those_of_a_new_stream() -> None:
    before, after = voice(1.03, np.random.default_rng(0)), [silence(0.5), voice(1.0, np.random.default_rng(1)), silence(1.0)]
    engine = Engine(loudness_backend())
    recorded = Recorded(engine)
    recorded.write(before)
    settle(engine)
    recorded.write(silence(RING_S))
    for piece in after:
        recorded.write(piece)
    settle(engine)
    recorded.stream.ring.end()
    settle(engine)
    assert [event.reason for event in recorded.events if isinstance(event, Gap)] == ["overflow"]
    *_, final = (event for event in recorded.events if isinstance(event, Emotion) and event.is_final)
    (fresh,) = (event for event in events_of(after) if isinstance(event, Emotion) and event.is_final)
    assert final.probabilities == pytest.approx(fresh.probabilities, abs=0.02)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    """The bundled models."""
    return load_classifier(None, MfccSettings(), ProviderChoice.CPU, 3.0)


def spoken(number: int) -> Samples:
    """Some seconds of the demo recording, others for each number."""
    demo, _ = soundfile.read(DEMO, dtype="float32", start=RATE * (1 + 3 * number), frames=4 * RATE)
    return np.asarray(demo, np.float32)


@pytest.fixture(scope="module")
def alone(classifier: Classifier) -> list[list[Event]]:
    """The events of four streams, one engine each."""
    found = []
    for number in range(4):
        engine = Engine.over(classifier)
        one = Recorded(engine)
        for half in np.array_split(spoken(number), 2):
            one.write(half)
            settle(engine)
        one.stream.ring.end()
        settle(engine)
        found.append(one.events)
    return found


@pytest.mark.parametrize("parallel", [2, 16], ids=["in parallel", "one by one"])
def test_streams_that_join_and_leave_at_any_time_have_the_events_that_they_have_alone(
    classifier: Classifier, alone: list[list[Event]], monkeypatch: pytest.MonkeyPatch, parallel: int
) -> None:
    """With the real detector and models, whose networks run over all streams together."""
    monkeypatch.setattr("stream_ser.core.backend.PARALLEL_STREAMS", parallel)
    monkeypatch.setattr("stream_ser.core.backend.BLOCK_STREAMS", parallel)
    monkeypatch.setattr("stream_ser.models.classifier.PARALLEL_WINDOWS", parallel)
    engine = Engine.over(classifier)
    together: list[Recorded] = []
    for turn in range(47):
        if turn % 3 == 0 and len(together) < len(alone):
            together.append(Recorded(engine))
        for number, one in enumerate(together):
            piece = spoken(number)[1_777 * (turn - 3 * number) :][:1_777]
            if len(piece):
                one.write(piece)
            elif not one.stream.ring.ended:
                one.stream.ring.end()
        settle(engine)
    for one, expected in zip(together, alone, strict=True):
        assert sum(isinstance(event, Emotion) for event in expected) > 5
        assert_same(one.events, expected)


def test_a_row_that_a_stream_left_serves_the_next_as_a_new_one() -> None:
    engine = Engine(loudness_backend())
    first = Recorded(engine)
    first.write(talk(1), last=True)
    settle(engine)
    second = Recorded(engine)
    second.write(talk(2), last=True)
    settle(engine)
    assert second.stream.row == first.stream.row
    assert second.events == events_of(np.array_split(talk(2), 2))


class FailingTap:
    """Fails with the first samples that are not silent."""

    def on_samples(self, samples: Samples) -> None:
        if np.abs(samples).max(initial=0.0) > 0.01:
            raise OSError("no space left on device")

    def on_loss(self, samples: int) -> None: ...


def test_the_failure_of_one_stream_ends_that_stream_and_no_other() -> None:
    engine = Engine(loudness_backend())
    good, bad = Recorded(engine), Recorded(engine, tap=FailingTap())
    for piece in np.array_split(talk(1), 20):
        good.write(piece)
        bad.write(piece)
        settle(engine)
    good.stream.ring.end()
    settle(engine)
    assert good.events == events_of(np.array_split(talk(1), 20))
    assert good.ends == [None]
    (failure,) = bad.ends
    assert isinstance(failure, OSError)
    assert bad.events == []


def test_a_stream_whose_events_cannot_be_handed_over_ends_alone() -> None:
    engine = Engine(loudness_backend())
    good, bad = Recorded(engine), Recorded(engine)

    def refuse(events: list[Event]) -> None:
        raise BrokenPipeError

    bad.stream.on_events = refuse
    for one in (good, bad):
        one.write(talk(1), last=True)
    settle(engine)
    assert len(good.events) > 6
    assert [type(end) for end in bad.ends] == [BrokenPipeError]


def test_what_ends_the_process_is_no_failure_of_a_stream() -> None:
    class Interrupted:
        def on_samples(self, samples: Samples) -> None:
            raise KeyboardInterrupt

        def on_loss(self, samples: int) -> None: ...

    engine = Engine(loudness_backend())
    Recorded(engine, tap=Interrupted()).write(silence(0.1))
    with pytest.raises(KeyboardInterrupt):
        engine.step()


@pytest.mark.parametrize("where", ["process", "resolve"])
def test_a_recogniser_that_fails_fails_for_its_own_stream(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    engine = Engine(loudness_backend())
    good, bad = Recorded(engine), Recorded(engine)

    def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(bad.stream.recognizer, where, broken)
    for one in (good, bad):
        one.write(talk(1), last=True)
    settle(engine)
    assert len(good.events) > 6
    assert [type(end) for end in bad.ends] == [ZeroDivisionError]


class Counts:
    """An observer that counts."""

    def __init__(self) -> None:
        self.opened, self.closed, self.failed, self.steps = 0, 0, 0, 0

    def stream_opened(self) -> None:
        self.opened += 1

    def stream_closed(self, *, failed: bool) -> None:
        self.closed += 1
        self.failed += failed

    def step_finished(self, frontend_s: float, inference_s: float, delivery_s: float) -> None:
        assert min(frontend_s, inference_s, delivery_s) >= 0.0
        self.steps += 1

    def events_delivered(self, latency_s: float) -> None:
        raise AssertionError("an engine has no loop to deliver to")


def test_a_step_notes_when_it_began_and_a_new_stream_wakes_the_worker() -> None:
    engine = Engine(loudness_backend())
    engine.filled.wait(0.0)
    began = engine.step_began
    Recorded(engine).write(silence(0.1))
    assert engine.filled.wait(0.0)
    engine.step()
    assert began < engine.step_began <= time.monotonic()


def test_an_observer_learns_of_streams_failures_and_steps() -> None:
    counts = Counts()
    engine = Engine(loudness_backend(), observer=counts)
    Recorded(engine).write(silence(1.0), last=True)
    Recorded(engine, tap=FailingTap()).write(talk(1), last=True)
    Recorded(engine)
    settle(engine)
    assert (counts.opened, counts.closed, counts.failed) == (3, 2, 1)
    assert counts.steps >= 10


def test_a_warm_engine_keeps_its_memory_flat(classifier: Classifier) -> None:
    engine, demo = Engine.over(classifier), soundfile.read(DEMO, dtype="float32", frames=9 * RATE)[0]
    stream = engine.add(RATE, lambda events: None, lambda failure: None)

    def play() -> None:
        for piece in np.array_split(demo, 90):
            stream.ring.write(piece)
            settle(engine)

    play()
    tracemalloc.start()
    play()
    before = tracemalloc.take_snapshot()
    play()
    after = tracemalloc.take_snapshot()
    tracemalloc.stop()
    grown = sum(one.size_diff for one in after.compare_to(before, "filename") if "tracemalloc" not in str(one.traceback))
    assert grown < 20_000, "bytes retained of 9 s of sound"


@pytest.mark.parametrize(("temperature", "threshold"), [(0.87, 0.0), (0.87, 0.999), (0.2, 0.0)])
def test_models_of_a_folder_have_their_own_labels_temperature_and_threshold(
    tmp_path: Path, temperature: float, threshold: float
) -> None:
    labels = tuple("abcdefgh")
    write_tiny_bundles(tmp_path, labels=labels, fusion_temperature=temperature, threshold=threshold)
    engine = Engine.open(tmp_path, ProviderChoice.CPU)
    recorded = Recorded(engine)
    recorded.write(soundfile.read(DEMO, dtype="float32", frames=3 * RATE, start=RATE)[0], last=True)
    settle(engine)
    emotions = [event for event in recorded.events if isinstance(event, Emotion)]
    (final,) = (event for event in emotions if event.is_final)
    assert tuple(final.probabilities) == labels
    assert (final.label == "uncertain") == (threshold > 0.9)
    by_model = np.maximum([list(final.models[name].values()) for name in ("lstm", "mlp")], 1e-7)
    powers = by_model.prod(axis=0) ** (1 / (2 * temperature))
    np.testing.assert_allclose(list(final.probabilities.values()), powers / powers.sum(), atol=1e-4)
