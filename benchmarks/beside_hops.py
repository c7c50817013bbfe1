"""Times hops of the build that the Python path points to; run by beside.py, once for each build and round.

    python beside_hops.py SIGNAL.npy COUNT...

Prints JSON: the folder of the build, and by figure the median of hops in milliseconds: on the clock, and of processor time,
which other work on the machine disturbs less.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from statistics import median
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

HOPS_OF_ONE, HOPS_OF_MANY = 200, 25

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
    """Measure each number of streams with an engine of its own."""
    signal = np.load(sys.argv[1])
    folder = Path(stream_ser.__file__).parent
    build = ThisBuild if (folder / "core").is_dir() else BuildBeforeRooms
    figures: dict[str, float] = {}
    for count in sys.argv[2:]:
        wall_ms, cpu_ms = hop_of(build(), int(count), signal)
        figures |= {f"hop_of_{count}_ms": wall_ms, f"hop_of_{count}_cpu_ms": cpu_ms}
    print(json.dumps({"folder": str(folder), "figures": figures}))


def hop_of(build: Build, count: int, signal: NDArray[np.float32]) -> tuple[float, float]:
    """Time of a hop of ``count`` streams that all speak, from samples to encoded messages: on the clock, and of processors."""
    streams = [build.open_stream(encode) for _ in range(count)]
    shifts = np.random.default_rng(0).integers(0, len(signal), count)
    wall_s, cpu_s = [], []
    for number in range(WARM_UP_HOPS + (HOPS_OF_ONE if count == 1 else HOPS_OF_MANY)):
        for order, (stream, shift) in enumerate(zip(streams, shifts, strict=True)):
            if number >= order % JOIN_HOPS:
                stream.ring.write(np.take(signal, np.arange(HOP) + shift + number * HOP, mode="wrap"))
        start, cpu = time.perf_counter(), time.process_time()
        build.step()
        wall_s.append(time.perf_counter() - start)
        cpu_s.append(time.process_time() - cpu)
    return 1e3 * median(wall_s[WARM_UP_HOPS:]), 1e3 * median(cpu_s[WARM_UP_HOPS:])


def encode(events: list[Any]) -> None:
    for event in events:
        protocol.encode(protocol.of_event(event))


if __name__ == "__main__":
    main()
