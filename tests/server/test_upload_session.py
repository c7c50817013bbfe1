from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from signals import RATE, LoudnessDetector

from stream_ser.core.engine import Engine
from stream_ser.core.recognizer import Recognizer
from stream_ser.events import Event, Gap
from stream_ser.features import MfccSettings
from stream_ser.models.classifier import Classifier, load_classifier
from stream_ser.models.providers import ProviderChoice
from stream_ser.protocol import AudioEnd, AudioStart, Error, Reset
from stream_ser.server.pcm import BURST
from stream_ser.server.upload_session import AudioSession

pytestmark = pytest.mark.unit

START = AudioStart(sample_rate=RATE)


@pytest.fixture
def classifier(bundles: Path) -> Classifier:
    return load_classifier(bundles, MfccSettings(), ProviderChoice.CPU, 3.0)


class Peer:
    """A client's session over a real engine, with all that comes of it."""

    def __init__(self, classifier: Classifier, *, batch: bool = False) -> None:
        self.engine, self.events, self.errors, self.ends = Engine(classifier), list[Event](), list[Error](), 0
        self.recognizer = Recognizer(MfccSettings(), detector=LoudnessDetector())
        self.session = AudioSession(
            lambda rate: self.engine.add(rate, self.recognizer, self.events.extend, self._end),
            self.errors.append,
            batch=batch,
        )

    def _end(self) -> None:
        self.ends += 1

    def send(self, data: bytes, now: float = 0.0) -> None:
        samples = self.session.hear(data, now)
        if self.session.stream is not None:
            self.session.write(samples)
        self.settle()

    def settle(self) -> None:
        while self.engine.step():
            pass

    @property
    def codes(self) -> list[str]:
        return [error.code for error in self.errors]


def test_audio_before_its_format_is_refused(classifier: Classifier) -> None:
    peer = Peer(classifier)
    peer.send(b"\0\0")
    peer.session.heed(Reset(), 0.0)
    peer.session.heed(AudioEnd(), 0.0)
    assert peer.codes == ["no_audio_start"] * 3
    assert not peer.session.ended


def test_audio_is_heard_to_its_end(classifier: Classifier) -> None:
    peer = Peer(classifier)
    peer.session.heed(START, 0.0)
    peer.send(bytes(2 * RATE))
    peer.session.heed(AudioEnd(), 1.0)
    peer.settle()
    assert peer.recognizer.time == 1.0
    assert (peer.ends, peer.codes) == (1, [])
    peer.send(b"\0\0")
    assert peer.codes == ["no_audio_start"]


def test_a_second_format_changes_nothing(classifier: Classifier) -> None:
    peer = Peer(classifier)
    peer.session.heed(START, 0.0)
    peer.session.heed(AudioStart(sample_rate=8_000), 0.0)
    peer.send(bytes(2 * RATE))
    assert peer.codes == ["audio_started"]
    assert peer.recognizer.time == pytest.approx(1.0, abs=0.1)


def test_half_a_sample_at_the_end_is_told(classifier: Classifier) -> None:
    peer = Peer(classifier)
    peer.session.heed(START, 0.0)
    peer.send(b"\0\0\0")
    peer.session.heed(AudioEnd(), 0.0)
    assert peer.codes == ["bad_audio"]


def test_live_audio_that_comes_too_fast_is_refused_counted_and_told_once_a_second(classifier: Classifier) -> None:
    peer = Peer(classifier)
    peer.session.heed(START, 0.0)
    second = bytes(2 * RATE)
    for number in range(10):
        peer.send(second, 0.05 * number)
    peer.session.heed(AudioEnd(), 0.5)
    peer.settle()
    assert peer.codes == ["rate_limited"]
    gaps = [event for event in peer.events if isinstance(event, Gap)]
    assert {gap.reason for gap in gaps} == {"rate_limited"}
    assert sum(gap.seconds for gap in gaps) == pytest.approx(10.0 - BURST - 0.45, abs=0.01)
    assert peer.recognizer.time == pytest.approx(10.0, abs=0.001)


def test_in_batch_mode_audio_may_come_at_once(classifier: Classifier) -> None:
    peer = Peer(classifier, batch=True)
    peer.session.heed(START, 0.0)
    for _ in range(10):
        peer.send(bytes(2 * RATE))
    assert peer.recognizer.time == pytest.approx(10.0, abs=0.1)
    assert peer.errors == []


_ACTIONS = st.one_of(
    st.sampled_from([START, AudioStart(sample_rate=8_000, channels=3), Reset(), AudioEnd()]),
    st.binary(max_size=3_000),
    st.floats(0.0, 1.0),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(_ACTIONS, max_size=30), batch=st.booleans())
def test_no_order_of_messages_breaks_it(classifier: Classifier, actions: list[object], batch: bool) -> None:
    peer, now, started = Peer(classifier, batch=batch), 0.0, False
    for action in actions:
        match action:
            case float():
                now += action
            case bytes():
                peer.send(action, now)
            case AudioStart() | Reset() | AudioEnd():
                peer.session.heed(action, now)
                started |= isinstance(action, AudioStart)
    peer.session.end()
    peer.settle()
    assert peer.ends == int(started)
    assert set(peer.codes) <= {"no_audio_start", "audio_started", "bad_audio", "rate_limited"}
    if started:
        assert peer.session.stream is not None
        assert peer.session.stream.ring.waiting == 0
