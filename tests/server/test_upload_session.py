from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from signals import RATE

from stream_ser.core.engine import Engine
from stream_ser.core.host import HostedStream
from stream_ser.events import Event, Gap
from stream_ser.models.providers import ProviderChoice
from stream_ser.protocol import AudioEnd, AudioStart, Error, Reset
from stream_ser.server.pcm import MAX_AHEAD_S
from stream_ser.server.upload_session import UploadSession

pytestmark = pytest.mark.unit

START = AudioStart(sample_rate=RATE)


@pytest.fixture
def engine(bundles: Path) -> Engine:
    return Engine.open(bundles, ProviderChoice.CPU)


class Peer:
    """A client's session over a real engine, with all that comes of it."""

    def __init__(self, engine: Engine, *, batch: bool = False) -> None:
        self.engine, self.events, self.errors = engine, list[Event](), list[Error]()
        self.ends: list[BaseException | None] = []
        self.session = UploadSession(self._open, self.errors.append, batch=batch)

    def _open(self, sample_rate: int) -> HostedStream:
        return HostedStream(self.engine.add(sample_rate, self.events.extend, self.ends.append), sample_rate)

    def send(self, data: bytes, now: float = 0.0) -> None:
        samples = self.session.on_audio(data, now)
        if self.session.stream is not None:
            self.session.stream.ring.write(samples)
        self.settle()

    def settle(self) -> None:
        while self.engine.step():
            pass

    @property
    def codes(self) -> list[str]:
        return [error.code for error in self.errors]


def test_audio_before_its_format_is_refused(engine: Engine) -> None:
    peer = Peer(engine)
    peer.send(b"\0\0")
    peer.session.on_control(Reset(), 0.0)
    peer.session.on_control(AudioEnd(), 0.0)
    assert peer.codes == ["no_audio_start"] * 3
    assert not peer.session.ended


def test_audio_is_processed_to_its_end(engine: Engine) -> None:
    peer = Peer(engine)
    peer.session.on_control(START, 0.0)
    peer.send(bytes(2 * RATE))
    peer.session.on_control(AudioEnd(), 1.0)
    peer.settle()
    assert peer.session.time == 1.0
    assert (peer.ends, peer.codes) == ([None], [])
    peer.send(b"\0\0")
    assert peer.codes == ["no_audio_start"]


def test_a_second_format_changes_nothing(engine: Engine) -> None:
    peer = Peer(engine)
    peer.session.on_control(START, 0.0)
    peer.session.on_control(AudioStart(sample_rate=8_000), 0.0)
    peer.send(bytes(2 * RATE))
    assert peer.codes == ["audio_started"]
    assert peer.session.time == pytest.approx(1.0, abs=0.1)


def test_half_a_sample_at_the_end_is_an_error(engine: Engine) -> None:
    peer = Peer(engine)
    peer.session.on_control(START, 0.0)
    peer.send(b"\0\0\0")
    peer.session.on_control(AudioEnd(), 0.0)
    assert peer.codes == ["bad_audio"]


def test_live_audio_that_comes_too_fast_is_dropped_counted_and_reported_once_a_second(engine: Engine) -> None:
    peer = Peer(engine)
    peer.session.on_control(START, 0.0)
    second = bytes(2 * RATE)
    for number in range(10):
        peer.send(second, 0.05 * number)
    peer.session.on_control(AudioEnd(), 0.5)
    peer.settle()
    assert peer.codes == ["rate_limited"]
    gaps = [event for event in peer.events if isinstance(event, Gap)]
    assert {gap.reason for gap in gaps} == {"rate_limited"}
    assert sum(gap.seconds for gap in gaps) == pytest.approx(10.0 - MAX_AHEAD_S - 0.45, abs=0.01)
    assert peer.session.time == pytest.approx(10.0, abs=0.001)


def test_in_batch_mode_audio_may_come_at_once(engine: Engine) -> None:
    peer = Peer(engine, batch=True)
    peer.session.on_control(START, 0.0)
    for _ in range(10):
        peer.send(bytes(2 * RATE))
    assert peer.session.time == pytest.approx(10.0, abs=0.1)
    assert peer.errors == []


_ACTIONS = st.one_of(
    st.sampled_from([START, AudioStart(sample_rate=8_000, channels=3), Reset(), AudioEnd()]),
    st.binary(max_size=3_000),
    st.floats(0.0, 1.0),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(_ACTIONS, max_size=30), batch=st.booleans())
def test_no_order_of_messages_breaks_it(engine: Engine, actions: list[object], batch: bool) -> None:
    peer, now, started = Peer(engine, batch=batch), 0.0, False
    for action in actions:
        match action:
            case float():
                now += action
            case bytes():
                peer.send(action, now)
            case AudioStart() | Reset() | AudioEnd():
                peer.session.on_control(action, now)
                started |= isinstance(action, AudioStart)
    peer.session.end()
    peer.settle()
    assert peer.ends == [None] * started
    assert set(peer.codes) <= {"no_audio_start", "audio_started", "bad_audio", "rate_limited"}
    if started:
        assert peer.session.stream is not None
        assert peer.session.stream.ring.waiting == 0
