"""What the daemon notes down: one line a fact, for a person, a program or the journal; no line a hop, and no label.

logs.info("client_connected", client="127.0.0.1:50312", clients=2)
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from enum import StrEnum
from typing import TextIO

OFTEN = 10
"""Lines of one fact within :data:`SPAN`; what goes beyond is counted, and the next line says how many."""

SPAN = 60.0
"""Seconds."""

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""Of syslog (RFC 5424, section 6.2.1), as sd-daemon(3) has them before a line."""

_log = logging.getLogger("stream_ser")
_log.addHandler(logging.NullHandler())
_log.propagate = False
# Its tracebacks are about handshakes that others got wrong; what fails on this side is noted by the server.
logging.getLogger("websockets.server").setLevel(logging.CRITICAL)


class LogFormat(StrEnum):
    """How a fact is written down."""

    TEXT = "text"
    JSON = "json"


def info(fact: str, **fields: object) -> None:
    """Note something that is as it should be."""
    _log.info(fact, extra={"fields": fields})


def warning(fact: str, **fields: object) -> None:
    """Note something that costs somebody something."""
    _log.warning(fact, extra={"fields": fields})


def error(fact: str, **fields: object) -> None:
    """Note something that failed."""
    _log.error(fact, extra={"fields": fields})


def write_to(stream: TextIO, shape: LogFormat, *, journal: bool) -> None:
    """Write facts to ``stream`` from now on; for the ``journal`` with the priority before each line, and without the time."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Lines(shape, journal=journal))
    handler.addFilter(Repetition(time.monotonic))
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)


class Repetition(logging.Filter):
    """Lets :data:`OFTEN` lines of a fact through in each :data:`SPAN`, by the ``clock``."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._spans: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        now = self._clock()
        since, count = self._spans.get(record.msg, (now, 0))
        unsaid = max(0, count - OFTEN)
        if now - since >= SPAN:
            since, count = now, 0
        self._spans[record.msg] = (since, count + 1)
        if count >= OFTEN:
            return False
        if unsaid and not count:
            record.fields = {**getattr(record, "fields", {}), "unsaid": unsaid}
        return True


class _Lines(logging.Formatter):
    def __init__(self, shape: LogFormat, *, journal: bool) -> None:
        super().__init__()
        self._shape, self._journal = shape, journal

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = getattr(record, "fields", {})
        level = record.levelname.lower()
        prefix = f"<{_PRIORITIES[record.levelno]}>" if self._journal else ""
        when = {} if self._journal else {"time": _iso(record.created)}
        if self._shape is LogFormat.JSON:
            return prefix + json.dumps({**when, "level": level, "fact": record.msg, **fields}, default=str)
        words = [*when.values(), level, record.msg, *(f"{name}={_word(value)}" for name, value in fields.items())]
        return prefix + " ".join(words)


def _word(value: object) -> str:
    word = f"{value:g}" if isinstance(value, float) else str(value)
    return word if word and word.isprintable() and not set(word) & set(' "=') else json.dumps(word)


def _iso(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"
