"""The way of a hop from its last sample in the ring to a client, over a real socket."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
from websockets.sync.client import connect

from stream_ser import protocol
from stream_ser.audio.ring import SampleRing
from stream_ser.bench import timing
from stream_ser.bench.speech import speech
from stream_ser.bench.timing import Spread
from stream_ser.core.engine import Engine
from stream_ser.core.host import EngineHost
from stream_ser.daemon.metrics import Metrics
from stream_ser.events import Event
from stream_ser.server.app import Server
from stream_ser.server.auth import Access


def latency(engine: Engine) -> Spread:
    """Time from the last sample of a hop to its message at a client of this machine.

    Raises:
        Exception: the engine failed.
    """
    return asyncio.run(_measure(engine))


async def _measure(engine: Engine) -> Spread:
    connected, ended, failures = asyncio.Event(), asyncio.Event(), list[BaseException]()

    def greeting() -> list[protocol.ServerMessage]:
        connected.set()
        return []

    def on_events(events: list[Event]) -> None:
        for event in events:
            server.publish(protocol.of_event(event))

    def on_end(failure: BaseException | None) -> None:
        if failure is not None:
            failures.append(failure)
        ended.set()

    host = EngineHost(engine, on_end)
    stream = host.open_stream(engine.sample_rate, on_events, on_end)
    server = Server(greeting, lambda: stream.time, None, {}, Access(), Metrics())
    address = await server.start("127.0.0.1", 0)
    written_at: dict[int, float] = {}
    seconds: list[float] = []
    client = threading.Thread(target=_receive, args=(address, engine.hop, written_at, seconds))
    client.start()
    await connected.wait()
    host.start()
    await asyncio.to_thread(_play, stream.ring, engine, written_at)
    await ended.wait()
    await host.stop()
    await server.stop()
    await asyncio.to_thread(client.join)
    if failures:
        raise failures[0]
    return Spread.of(seconds)


def _play(ring: SampleRing, engine: Engine, written_at: dict[int, float]) -> None:
    """Write hops at the pace of speech, and when each was written, by its number from 1."""
    hops = timing.HOPS + timing.WARM_UP_HOPS
    begin = time.perf_counter()
    for number, samples in enumerate(np.split(speech(hops * engine.hop, engine.sample_rate), hops), start=1):
        time.sleep(max(0.0, begin + number * engine.hop - time.perf_counter()))
        written_at[number] = time.perf_counter()
        ring.write(samples)
    ring.end()


def _receive(address: str, hop: float, written_at: dict[int, float], seconds: list[float]) -> None:
    with connect(address, compression=None) as socket:
        for text in socket:
            now = time.perf_counter()
            message = protocol.decode(text)
            if isinstance(message, protocol.Emotion) and not message.is_final:
                seconds.append(now - written_at[round(message.end / hop)])
