from __future__ import annotations

import asyncio

import numpy as np
import pytest
from patience import PATIENCE_S
from signals import RATE, Samples, silence, voice
from streams import events_of, loudness_backend

from stream_ser.core.engine import Engine
from stream_ser.core.host import EngineHost
from stream_ser.core.stream import RING_S
from stream_ser.events import Event, Gap

pytestmark = pytest.mark.unit


def talk(seconds: float) -> Samples:
    rng = np.random.default_rng(0)
    return np.concatenate((silence(0.3), voice(seconds, rng), silence(0.8)))


def never(failure: BaseException) -> None:
    raise AssertionError(failure)


async def test_events_come_on_the_loop_and_then_the_end() -> None:
    host = EngineHost(Engine(loudness_backend()), never)
    host.start()
    loop, ended, events = asyncio.get_running_loop(), asyncio.Event(), list[Event]()

    def on_events(new: list[Event]) -> None:
        assert asyncio.get_running_loop() is loop
        assert not ended.is_set()
        events.extend(new)

    stream = host.open_stream(RATE, on_events, lambda failure: ended.set())
    await stream.write(talk(1.0))
    stream.end()
    await asyncio.wait_for(ended.wait(), PATIENCE_S)
    await host.stop()
    assert events == events_of([talk(1.0)])
    assert stream.time == pytest.approx(2.1)
    assert (stream.repaired, stream.clipped) == (0, 0)


async def test_a_writer_waits_for_room_so_that_nothing_is_lost() -> None:
    host = EngineHost(Engine(loudness_backend()), never)
    ended, events, signal = asyncio.Event(), list[Event](), talk(4 * RING_S)
    stream = host.open_stream(RATE, events.extend, lambda failure: ended.set())
    writing = asyncio.create_task(stream.write(signal))
    await asyncio.sleep(0)
    assert stream.ring.room == 0
    assert not writing.done()
    host.start()
    await asyncio.wait_for(writing, PATIENCE_S)
    stream.end()
    await asyncio.wait_for(ended.wait(), PATIENCE_S)
    await host.stop()
    assert stream.time == pytest.approx(len(signal) / RATE)
    assert not any(isinstance(event, Gap) for event in events)


async def test_an_interruption_is_reported_with_what_is_missing() -> None:
    host = EngineHost(Engine(loudness_backend()), never)
    host.start()
    ended, events = asyncio.Event(), list[Event]()
    stream = host.open_stream(RATE, events.extend, lambda failure: ended.set())
    await stream.write(silence(0.5))
    stream.interrupt(RATE, "rate_limited")
    await stream.write(silence(0.5))
    stream.end()
    await asyncio.wait_for(ended.wait(), PATIENCE_S)
    await host.stop()
    assert events == [Gap(0.5, 1.0, "rate_limited")]


class FailingTap:
    def on_samples(self, samples: Samples) -> None:
        raise OSError("no space left on device")

    def on_loss(self, samples: int) -> None: ...


async def test_a_stream_that_fails_ends_with_its_exception_and_lets_its_writer_go() -> None:
    host = EngineHost(Engine(loudness_backend()), never)
    host.start()
    ends: asyncio.Queue[Exception | None] = asyncio.Queue()
    stream = host.open_stream(RATE, lambda events: None, ends.put_nowait, FailingTap())
    await asyncio.wait_for(stream.write(silence(3 * RING_S)), PATIENCE_S)
    assert isinstance(await asyncio.wait_for(ends.get(), PATIENCE_S), OSError)
    assert stream.ended
    await host.stop()


async def test_the_failure_of_the_engine_is_reported_on_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(loudness_backend())
    monkeypatch.setattr(engine, "step", lambda: [][0])
    failures: asyncio.Queue[BaseException] = asyncio.Queue()
    host = EngineHost(engine, failures.put_nowait)
    host.start()
    assert isinstance(await asyncio.wait_for(failures.get(), PATIENCE_S), IndexError)
    await host.stop()
