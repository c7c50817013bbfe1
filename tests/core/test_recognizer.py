from __future__ import annotations

import numpy as np
import pytest
from signals import RATE, Samples, silence, vad_frame, voice
from streams import EMOTIONS, outline

from stream_ser.core.hop import Hop
from stream_ser.core.recognizer import Recognizer
from stream_ser.events import Emotion, Event, Gap, SpeechStart
from stream_ser.features import MfccSettings
from stream_ser.models.classifier import ModelFacts
from stream_ser.speech.detector import VadFrame
from stream_ser.speech.silero import CHUNK

pytestmark = pytest.mark.unit

FACTS = ModelFacts(("one", "other"), EMOTIONS, 1, fusion_temperature=0.8, threshold=0.35)
ANSWER = np.array([[0.65, *[0.05] * 7], [0.3, *[0.1] * 7]], np.float32)


def new(hop: float = 0.1, window: float = 3.0) -> Recognizer:
    return Recognizer(MfccSettings(), FACTS, hop, window)


class Driver:
    """Feeds a recogniser and answers its windows; what is loud is speech."""

    def __init__(self, recognizer: Recognizer) -> None:
        self.recognizer = recognizer
        self.hops: list[Hop] = []
        self._rest = silence(0.0)

    def feed(self, samples: Samples) -> list[Event]:
        events: list[Event] = []
        while len(samples):
            taken, hop = self.recognizer.feed(samples)
            samples = samples[taken:]
            if hop is not None:
                events += self.resolve(hop)
        return events

    def resolve(self, hop: Hop) -> list[Event]:
        self.hops.append(Hop(hop.samples.copy(), hop.begins, hop.ends))
        window = self.recognizer.process(self._detect(hop))
        return self.recognizer.resolve(None if window is None else ANSWER)

    def _detect(self, hop: Hop) -> list[VadFrame]:
        waiting = hop.samples if hop.begins else np.concatenate((self._rest, hop.samples))
        count = len(waiting) // CHUNK
        self._rest = waiting[count * CHUNK :].copy()
        chunks = waiting[: count * CHUNK].reshape(count, CHUNK)
        loud = [bool(np.abs(chunk).max() > 0.01) for chunk in chunks]
        return [vad_frame(float(one), -20.0 if one else -90.0) for one in loud]


def test_hops_lie_at_fixed_places_however_the_samples_are_cut() -> None:
    signal = voice(0.75, np.random.default_rng(0))
    driver = Driver(new(hop=0.1))
    for piece in np.split(signal, [1, 5_000, 5_001]):
        driver.feed(piece)
    driver.resolve(driver.recognizer.finish())
    assert [len(hop.samples) for hop in driver.hops] == [1_600] * 7 + [800]
    assert [(hop.begins, hop.ends) for hop in driver.hops] == [(True, False)] + [(False, False)] * 6 + [(False, True)]
    np.testing.assert_array_equal(np.concatenate([hop.samples for hop in driver.hops]), signal)


def test_samples_that_are_no_numbers_become_silence_and_are_counted() -> None:
    spoilt = voice(0.5, np.random.default_rng(0))
    spoilt[2_000:2_050], spoilt[3_000] = np.nan, np.inf
    driver = Driver(new())
    driver.feed(spoilt)
    assert driver.recognizer.buffer.repaired == 51
    processed = np.concatenate([hop.samples for hop in driver.hops])
    np.testing.assert_array_equal(processed, np.where(np.isfinite(spoilt), spoilt, 0.0))


def test_samples_at_full_scale_are_counted() -> None:
    signal = voice(1.0, np.random.default_rng(0))
    loud = np.where(np.abs(signal) > 0.05, np.sign(signal), signal).astype(np.float32)
    driver = Driver(new())
    driver.feed(loud)
    assert driver.recognizer.buffer.clipped == np.count_nonzero(np.abs(loud) == 1.0) > 1_000


def test_lost_audio_ends_the_utterance_is_reported_and_counts_in_the_time() -> None:
    rng = np.random.default_rng(0)
    driver = Driver(new())
    events = driver.feed(np.concatenate((silence(0.5), voice(1.0, rng))))
    hop = driver.recognizer.skip(2 * RATE, "overflow")
    assert hop is not None
    assert hop.ends
    assert driver.recognizer.time == pytest.approx(3.5)
    events += driver.resolve(hop)
    events += driver.feed(np.concatenate((silence(0.5), voice(1.0, rng), silence(1.0))))
    utterance = ["SpeechStart", "interim", "final", "SpeechEnd"]
    assert outline(events) == [*utterance, "Gap", *utterance]
    assert [event for event in events if isinstance(event, Gap)] == [Gap(1.5, 2.0, "overflow")]
    starts = [event.start for event in events if isinstance(event, SpeechStart)]
    np.testing.assert_allclose(starts, [0.5, 4.0], atol=0.04)


def test_after_lost_audio_the_next_hop_begins_anew() -> None:
    driver = Driver(new())
    driver.feed(voice(0.33, np.random.default_rng(0)))
    hop = driver.recognizer.skip(1_234, "overflow")
    assert hop is not None
    driver.resolve(hop)
    driver.feed(voice(0.2, np.random.default_rng(1)))
    assert [hop.begins for hop in driver.hops] == [True, False, False, False, True, False]
    assert [hop.ends for hop in driver.hops] == [False, False, False, True, False, False]


def test_losses_in_a_row_add_up() -> None:
    driver = Driver(new())
    events = driver.feed(voice(0.3, np.random.default_rng(0)))
    hop = driver.recognizer.skip(RATE, "source_lost")
    assert hop is not None
    events += driver.resolve(hop)
    assert driver.recognizer.skip(2 * RATE, "source_lost") is None
    events += driver.feed(silence(0.1))
    assert [event for event in events if isinstance(event, Gap)] == [Gap(0.3, 1.0, "source_lost"), Gap(1.3, 2.0, "source_lost")]
    assert driver.recognizer.time == pytest.approx(3.4)


def test_an_interruption_while_nothing_is_in_progress_takes_no_hop() -> None:
    driver = Driver(new())
    assert driver.recognizer.skip(0, "source_lost") is None
    driver.feed(silence(0.25))
    hop = driver.recognizer.skip(0, "source_lost")
    assert hop is not None
    assert driver.resolve(hop) == []
    assert driver.recognizer.skip(0, "source_lost") is None
    assert driver.recognizer.skip(RATE, "source_lost") is None
    assert driver.recognizer.skip(2 * RATE, "source_lost") is None
    gaps = [Gap(0.25, 1.0, "source_lost"), Gap(1.25, 2.0, "source_lost")]
    assert driver.recognizer.flush() == gaps
    assert driver.resolve(driver.recognizer.finish()) == []


def test_the_facts_of_the_models_name_label_and_decide() -> None:
    driver = Driver(new())
    events = driver.feed(np.concatenate((voice(0.6, np.random.default_rng(0)), silence(0.8))))
    (final,) = (event for event in events if isinstance(event, Emotion) and event.is_final)
    assert final.label == "a"
    assert list(final.models) == ["one", "other"]
    assert final.models["other"]["a"] == pytest.approx(0.3)
    powers = np.exp(np.log(ANSWER).sum(axis=0) / (2 * FACTS.fusion_temperature))
    np.testing.assert_allclose(list(final.probabilities.values()), powers / powers.sum(), rtol=1e-5)


def test_the_steps_of_a_hop_follow_each_other() -> None:
    recognizer = new()
    with pytest.raises(RuntimeError, match="no hop waits to be processed"):
        recognizer.process([])
    with pytest.raises(RuntimeError, match="no hop waits for an answer"):
        recognizer.resolve(None)
    _, hop = recognizer.feed(silence(0.1))
    assert hop is not None
    for call in (lambda: recognizer.feed(silence(0.1)), recognizer.finish, lambda: recognizer.skip(1, "overflow")):
        with pytest.raises(RuntimeError, match="waits to be resolved"):
            call()
    recognizer.process([])
    with pytest.raises(RuntimeError, match="an answer belongs to each window"):
        recognizer.resolve(ANSWER)


@pytest.mark.parametrize("changed", [{"hop": 0.0}, {"hop": 2e-5}, {"hop": 0.6}, {"window": 0.1}])
def test_settings_out_of_range_are_refused(changed: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(changed))):
        new(**changed)
