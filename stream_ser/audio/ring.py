"""A bounded way for samples from the thread that captures them to the thread that processes them."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_ser.events import SOURCE_LOST


class WakeEvent:
    """Wakes one waiting thread. Setting it never blocks, so an audio callback may."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        if self._lock.locked():
            with contextlib.suppress(RuntimeError):  # another thread set it in between
                self._lock.release()

    def wait(self, timeout: float) -> bool:
        """Wait for the next ``set``, at most ``timeout`` seconds; return whether it came."""
        return self._lock.acquire(timeout=timeout)


@dataclass(frozen=True, slots=True)
class Discontinuity:
    """A place where the source broke off: what it did not give, and the rate of what comes next."""

    lost: int
    """Samples, at ``rate``."""
    rate: int
    """Hz."""
    reason: str = SOURCE_LOST


@dataclass(frozen=True, slots=True)
class Chunk:
    """A discontinuity, or samples, after ``lost`` samples that came before them and were overwritten unread."""

    samples: NDArray[np.float32]
    lost: int
    discontinuity: Discontinuity | None = None


class SampleRing:
    """Mono samples of one stream, one writer and one reader, oldest dropped and counted when full.

    Neither side waits for the other: the reader detects afterwards what the writer overwrote.
    """

    def __init__(self, capacity: int, filled: WakeEvent) -> None:
        self.capacity = capacity
        self.limit = capacity
        """Samples that may wait, at most ``capacity``: the reader sets how much is still worth processing."""
        self.filled = filled
        """Set by a write after which the reader has what it waits for."""
        self.wanted = 1
        """Samples that the reader waits for: it need not be woken for fewer."""
        self.drained = WakeEvent()
        """Set after every read."""
        self.ended = False
        """Whether the writer has written its last."""
        self._data = np.zeros(capacity, np.float32)
        self._discontinuities: deque[tuple[int, Discontinuity]] = deque()
        self._promised = 0
        self._written = 0
        self._read = 0

    @property
    def written(self) -> int:
        """Samples written so far."""
        return self._written

    @property
    def waiting(self) -> int:
        """Samples written and not read, at most ``limit``."""
        return min(self.limit, self._written - self._read)

    @property
    def room(self) -> int:
        """Samples that can be written before any is lost."""
        return self.limit - (self._written - self._read)

    def write(self, samples: NDArray[np.float32]) -> None:
        """Add samples; of more than ``capacity`` the last count. Allocates nothing, waits for nothing."""
        latest = samples[-self.capacity :]
        # Promised first: a reader that copies while this writes sees that its copy may be torn.
        self._promised = self._written + len(samples)
        at = (self._promised - len(latest)) % self.capacity
        head = min(len(latest), self.capacity - at)
        self._data[at : at + head] = latest[:head]
        self._data[: len(latest) - head] = latest[head:]
        self._written = self._promised
        if self._written - self._read >= self.wanted:
            self.filled.set()

    def interrupt(self, discontinuity: Discontinuity) -> None:
        """Mark that what is written next does not follow what was written last."""
        self._discontinuities.append((self._written, discontinuity))
        self.filled.set()

    def end(self) -> None:
        """Mark the end: no more samples will come."""
        self.ended = True
        self.filled.set()

    def read(self, most: int) -> Chunk:
        """Take up to ``most`` of the oldest samples, or a discontinuity where one comes first; nothing if nothing is there."""
        written = self._written
        # After the position: what is seen as written cannot reach beyond a discontinuity that is not seen.
        place, discontinuity = self._discontinuities[0] if self._discontinuities else (None, None)
        start = max(self._read, written - self.limit)
        if place is not None and place <= start:
            lost, self._read = place - self._read, place
            if not lost:
                self._discontinuities.popleft()
            return Chunk(np.empty(0, np.float32), lost, None if lost else discontinuity)
        count = min(most, (written if place is None else place) - start)
        at = start % self.capacity
        head = min(count, self.capacity - at)
        samples = np.concatenate((self._data[at : at + head], self._data[: count - head]))
        torn = min(count, max(0, self._promised - self.capacity - start))
        lost = start + torn - self._read
        self._read = start + count
        self.drained.set()
        return Chunk(samples[torn:], lost)
