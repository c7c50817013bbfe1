"""What a source of live audio is."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from stream_ser.audio.ring import SampleRing
from stream_ser.errors import UserError


class AudioError(UserError):
    """A device or file that cannot be used as a source."""


class SourceState(StrEnum):
    """A change of a source while it is open."""

    LOST = "source_lost"
    RESTORED = "source_restored"


OnStateChange = Callable[[SourceState, str], None]
"""Called with the new state and the reason for it, on the source's thread; returns at once."""


class Source(Protocol):
    """Fills a ring with mono samples at ``sample_rate`` from its own thread."""

    @property
    def name(self) -> str:
        """Name of the device or file."""
        ...

    @property
    def host_api(self) -> str:
        """The sound system of a device; empty for a file."""
        ...

    @property
    def sample_rate(self) -> int:
        """Of what it writes, in Hz; 0 before it is known. A change of it is a discontinuity in the ring."""
        ...

    @property
    def overflows(self) -> int:
        """Blocks that the device gave incomplete, so far."""
        ...

    @property
    def failure(self) -> str | None:
        """Why the source failed before its end, if it did."""
        ...

    def start(self, ring: SampleRing, on_state_change: OnStateChange) -> None:
        """Begin to write into ``ring``; ``on_state_change`` is called when the source is lost and when it is restored.

        Raises:
            AudioError: the source cannot be opened.
        """
        ...

    def stop(self) -> None:
        """Stop writing; return when no more writes will come."""
        ...
