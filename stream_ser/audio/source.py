"""What a source of live audio is."""

from __future__ import annotations

from typing import Protocol

from stream_ser.audio.ring import SampleRing
from stream_ser.errors import UserError


class AudioError(UserError):
    """A device or file that cannot be listened to."""


class Source(Protocol):
    """Fills a ring with mono samples at ``sample_rate`` from its own thread."""

    @property
    def name(self) -> str:
        """What people call it: a device's or a file's name."""
        ...

    @property
    def sample_rate(self) -> int: ...

    @property
    def overflows(self) -> int:
        """Blocks that the device gave incomplete, so far."""
        ...

    @property
    def failure(self) -> str | None:
        """Why the source broke off before its end, if it did."""
        ...

    def start(self, ring: SampleRing) -> None:
        """Begin to write into ``ring``.

        Raises:
            AudioError: the source cannot be opened.
        """
        ...

    def stop(self) -> None:
        """Stop writing; return when no more writes will come."""
        ...
