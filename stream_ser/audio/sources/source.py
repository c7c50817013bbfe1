"""What a source of live audio is."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from stream_ser.audio.ring import SampleRing
from stream_ser.errors import UserError


class AudioError(UserError):
    """A device or file that cannot be listened to."""


class SourceState(StrEnum):
    """What becomes of a source while it is listened to."""

    LOST = "source_lost"
    RESTORED = "source_restored"


Tell = Callable[[SourceState, str], None]
"""Takes a change of state and the reason for it, on the source's thread, and returns at once."""


class Source(Protocol):
    """Fills a ring with mono samples at ``sample_rate`` from its own thread."""

    @property
    def name(self) -> str:
        """What people call it: a device's or a file's name."""
        ...

    @property
    def host_api(self) -> str:
        """The sound system of a device; empty for a file."""
        ...

    @property
    def sample_rate(self) -> int:
        """Of what it writes, in Hz; 0 before it is known. A source that changes it says so to the ring."""
        ...

    @property
    def overflows(self) -> int:
        """Blocks that the device gave incomplete, so far."""
        ...

    @property
    def failure(self) -> str | None:
        """Why the source broke off before its end, if it did."""
        ...

    def start(self, ring: SampleRing, tell: Tell) -> None:
        """Begin to write into ``ring``; ``tell`` hears when the source is lost and when it is back.

        Raises:
            AudioError: the source cannot be opened.
        """
        ...

    def stop(self) -> None:
        """Stop writing; return when no more writes will come."""
        ...
