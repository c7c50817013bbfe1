"""Takes hops of the build that the Python path points to, one for each line on standard input; run by beside.py.

    python beside_hops.py SIGNAL.npy COUNT...

Prints the folder of the build, then for each hop its milliseconds, on the clock and of processor time.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

import stream_ser
from stream_ser import protocol

RATE = 16_000
HOP = RATE // 10
"""Samples between two answers."""

JOIN_HOPS = 10
"""Hops over which the streams begin: people do not begin to speak at once."""

WARM_UP_HOPS = 35 + JOIN_HOPS
"""Hops before measuring: by then utterances fill the window."""

HOPS = {1: 400, 100: 60, 400: 30}
"""Hops that are measured, by the number of streams."""

OnEvents = Callable[[list[Any]], None]


class Build(Protocol):
    """An engine of either build."""

    def open_stream(self, on_events: OnEvents) -> Any: ...

    def step(self) -> None: ...


class ThisBuild:
    """An engine that opens its models and builds the recognisers of its streams."""

    def __init__(self) -> None:
        provider = import_module("stream_ser.models.providers").ProviderChoice.CPU
        self._engine = import_module("stream_ser.core.engine").Engine.open(None, provider)

    def open_stream(self, on_events: OnEvents) -> Any:
        return self._engine.add(RATE, on_events, lambda _failure: None)

    def step(self) -> None:
        self._engine.step()


class BuildBeforeRooms:
    """An engine before core/ was: who adds a stream builds its recogniser (up to 921eb22)."""

    def __init__(self) -> None:
        self._settings = import_module("stream_ser.features").MfccSettings()
        provider = import_module("stream_ser.models.provider").ProviderChoice.CPU
        self._classifier = import_module("stream_ser.models.classifier").load_classifier(None, self._settings, provider, 3.0)
        self._engine = import_module("stream_ser.engine").Engine(self._classifier)
        self._recognizer = import_module("stream_ser.recognizer").Recognizer

    def open_stream(self, on_events: OnEvents) -> Any:
        classifier = self._classifier
        recognizer = self._recognizer(self._settings, 0.1, 3.0, classifier.labels, step=classifier.step)
        return self._engine.add(RATE, recognizer, on_events, lambda: None)

    def step(self) -> None:
        self._engine.step()


def main() -> None:
    """Print the folder of the build; then, for each line on standard input, take one hop and print its times."""
    signal = np.load(sys.argv[1])
    folder = Path(stream_ser.__file__).parent
    build = ThisBuild if (folder / "core").is_dir() else BuildBeforeRooms
    print(folder, flush=True)
    for count in map(int, sys.argv[2:]):
        for times in hops_of(build(), count, signal):
            sys.stdin.readline()
            print(json.dumps(next(times)), flush=True)


def hops_of(build: Build, count: int, signal: NDArray[np.float32]) -> Iterator[Iterator[tuple[float, float]]]:
    """Hops of ``count`` streams that all speak, from samples to encoded messages, each taken when it is asked for."""
    streams = [build.open_stream(encode) for _ in range(count)]
    shifts = np.random.default_rng(0).integers(0, len(signal), count)
    for number in range(WARM_UP_HOPS + HOPS[count]):
        for order, (stream, shift) in enumerate(zip(streams, shifts, strict=True)):
            if number >= order % JOIN_HOPS:
                stream.ring.write(np.take(signal, np.arange(HOP) + shift + number * HOP, mode="wrap"))
        yield timed(build)


def timed(build: Build) -> Iterator[tuple[float, float]]:
    """One hop: milliseconds on the clock, and of processor time."""
    start, cpu = time.perf_counter(), time.process_time()
    build.step()
    yield 1e3 * (time.perf_counter() - start), 1e3 * (time.process_time() - cpu)


def encode(events: list[Any]) -> None:
    for event in events:
        protocol.encode(protocol.of_event(event))


if __name__ == "__main__":
    main()
