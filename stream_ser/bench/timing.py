"""How times are measured and summed up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

HOPS = 200
"""Hops that are measured of one stream."""

JOIN_HOPS = 10
"""Hops over which many streams begin: people do not begin to speak at once."""

WARM_UP_HOPS = 35 + JOIN_HOPS
"""Hops before measuring: by then utterances fill the window."""

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and 99th percentile, in milliseconds."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        p50, p99 = 1e3 * np.percentile(seconds, (50, 99))
        return cls(round(float(p50), 3), round(float(p99), 3))


def time_each(work: Callable[[_Item], object], items: Sequence[_Item]) -> Spread:
    """Time ``work`` on each item after the warm-up."""
    seconds = []
    for item in items:
        start = time.perf_counter()
        work(item)
        seconds.append(time.perf_counter() - start)
    return Spread.of(seconds[WARM_UP_HOPS:])
