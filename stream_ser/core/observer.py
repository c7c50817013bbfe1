"""What an engine reports about its work, to whoever counts it."""

from __future__ import annotations

from typing import Protocol


class EngineObserver(Protocol):
    """Called on the worker's thread, ``events_delivered`` on the event loop; each returns at once."""

    def stream_opened(self) -> None: ...

    def stream_closed(self, *, failed: bool) -> None:
        """A stream is over; ``failed`` where an exception ended it."""
        ...

    def step_finished(self, frontend_s: float, inference_s: float, delivery_s: float) -> None:
        """What the stages of one step took, in seconds, for the hops of all streams together."""
        ...

    def events_delivered(self, latency_s: float) -> None:
        """Events reached the event loop ``latency_s`` after the step began that took their audio."""
        ...


class NoObserver:
    """Counts nothing."""

    def stream_opened(self) -> None: ...

    def stream_closed(self, *, failed: bool) -> None: ...

    def step_finished(self, frontend_s: float, inference_s: float, delivery_s: float) -> None: ...

    def events_delivered(self, latency_s: float) -> None: ...
