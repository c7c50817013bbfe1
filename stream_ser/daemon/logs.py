"""Where log events go: one line each, for a person, a program or the journal."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from enum import StrEnum
from typing import TextIO

from stream_ser.logs import logger

REPEAT_LIMIT = 10
"""Lines of one event within :data:`REPEAT_INTERVAL_S`; further ones are counted, and the next line carries the count."""

REPEAT_INTERVAL_S = 60.0

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""Of syslog (RFC 5424, section 6.2.1), as sd-daemon(3) expects them before a line."""

# Its tracebacks are about handshakes that clients got wrong; failures of this side are logged by the server.
logging.getLogger("websockets.server").setLevel(logging.CRITICAL)


class LogFormat(StrEnum):
    """How an event is written."""

    TEXT = "text"
    JSON = "json"


def write_to(stream: TextIO, log_format: LogFormat, *, journal: bool) -> None:
    """Write events to ``stream`` from now on; for the ``journal`` with the priority before each line, and without the time."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter(log_format, journal=journal))
    handler.addFilter(RepetitionFilter(time.monotonic))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


class RepetitionFilter(logging.Filter):
    """Passes :data:`REPEAT_LIMIT` lines of an event in each :data:`REPEAT_INTERVAL_S`.

    Args:
        clock: gives seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._intervals: dict[str, tuple[float, int]] = {}
        """By event: when its interval began, and how many lines came since."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        now = self._clock()
        began, count = self._intervals.get(record.msg, (now, 0))
        suppressed = max(0, count - REPEAT_LIMIT)
        if now - began >= REPEAT_INTERVAL_S:
            began, count = now, 0
        self._intervals[record.msg] = (began, count + 1)
        if count >= REPEAT_LIMIT:
            return False
        if suppressed and not count:
            record.fields = {**getattr(record, "fields", {}), "suppressed": suppressed}
        return True


class LineFormatter(logging.Formatter):
    """Formats an event and its fields as one line.

    Args:
        log_format: text or JSON.
        journal: write the syslog priority instead of the time.
    """

    def __init__(self, log_format: LogFormat, *, journal: bool) -> None:
        super().__init__()
        self._log_format, self._journal = log_format, journal

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = getattr(record, "fields", {})
        level = record.levelname.lower()
        prefix = f"<{_PRIORITIES[record.levelno]}>" if self._journal else ""
        timestamp = {} if self._journal else {"time": _iso(record.created)}
        if self._log_format is LogFormat.JSON:
            return prefix + json.dumps({**timestamp, "level": level, "event": record.msg, **fields}, default=str)
        words = [*timestamp.values(), level, record.msg, *(f"{name}={_quoted(value)}" for name, value in fields.items())]
        return prefix + " ".join(words)


def _quoted(value: object) -> str:
    word = f"{value:g}" if isinstance(value, float) else str(value)
    return word if word and word.isprintable() and not set(word) & set(' "=') else json.dumps(word)


def _iso(seconds: float) -> str:
    whole_seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole_seconds}.{int(seconds % 1 * 1000):03d}Z"
