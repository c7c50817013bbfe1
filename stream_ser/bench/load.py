"""A hop of many streams that all speak: from samples in the rings to encoded messages."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stream_ser import protocol
from stream_ser.bench import timing
from stream_ser.bench.speech import speech
from stream_ser.bench.timing import Spread
from stream_ser.core.engine import Engine
from stream_ser.core.stream import Stream
from stream_ser.events import Event

STREAM_COUNTS = (1, 10, 50, 100, 200, 300, 400, 800, 1_600)

HOPS_OF_MANY = 25
"""Hops that are measured of many streams."""

_SIGNAL_S = 7.0


@dataclass(frozen=True, slots=True)
class Load:
    """A hop of ``n`` streams that all speak: its time, and its share of one core."""

    n: int
    time: Spread
    cpu_percent: float


def load_curve(engine: Engine, on_point: Callable[[Load], None]) -> list[Load]:
    """The load of each of :data:`STREAM_COUNTS`; ``on_point`` is called with each as it is known."""
    points: list[Load] = []
    for count in STREAM_COUNTS:
        points.append(load(engine, count, HOPS_OF_MANY))
        on_point(points[-1])
    return points


def load(engine: Engine, count: int, hops: int) -> Load:
    """Measure ``hops`` hops of ``count`` streams, which begin within a second; they are closed afterwards."""
    length = round(engine.hop * engine.sample_rate)
    streams = [engine.add(engine.sample_rate, _encode, lambda _failure: None) for _ in range(count)]
    signal = speech(_SIGNAL_S, engine.sample_rate)
    shifts = np.random.default_rng(0).integers(0, len(signal), count)
    wall_s, cpu_s = [], []
    for number in range(timing.WARM_UP_HOPS + hops):
        for order, (stream, shift) in enumerate(zip(streams, shifts, strict=True)):
            if number >= order % timing.JOIN_HOPS:
                stream.ring.write(np.take(signal, np.arange(length) + shift + number * length, mode="wrap"))
        start, cpu = time.perf_counter(), time.process_time()
        engine.step()
        wall_s.append(time.perf_counter() - start)
        cpu_s.append(time.process_time() - cpu)
    _close(engine, streams)
    spread = Spread.of(wall_s[timing.WARM_UP_HOPS :])
    return Load(count, spread, round(100.0 * float(np.mean(cpu_s[timing.WARM_UP_HOPS :])) / engine.hop, 1))


def _encode(events: list[Event]) -> None:
    for event in events:
        protocol.encode(protocol.of_event(event))


def _close(engine: Engine, streams: list[Stream]) -> None:
    for stream in streams:
        stream.ring.end()
    while not all(stream.ended for stream in streams):
        engine.step()
