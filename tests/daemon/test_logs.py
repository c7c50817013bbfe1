from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from stream_ser import logs
from stream_ser.daemon.logs import REPEAT_INTERVAL_S, REPEAT_LIMIT, LogFormat, RepetitionFilter, write_to

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def only_own_handlers() -> Iterator[None]:
    logger = logging.getLogger("stream_ser")
    before = list(logger.handlers)
    yield
    logger.handlers[:] = before


def _written(log_format: LogFormat, *, journal: bool = False) -> io.StringIO:
    stream = io.StringIO()
    write_to(stream, log_format, journal=journal)
    return stream


def test_an_event_is_a_line_of_json() -> None:
    stream = _written(LogFormat.JSON)
    logs.warning("source_lost", source='a "yeti"\nof two lines', silent=1.5)
    (line,) = stream.getvalue().splitlines()
    found = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found.pop("time"))
    assert found == {"level": "warning", "event": "source_lost", "source": 'a "yeti"\nof two lines', "silent": 1.5}


def test_an_event_is_a_line_of_words() -> None:
    stream = _written(LogFormat.TEXT)
    logs.info("ready", source="two words", rate=48_000, empty="", tricky="a=b\nc")
    (line,) = stream.getvalue().splitlines()
    assert line.split(" ", 1)[1] == 'info ready source="two words" rate=48000 empty="" tricky="a=b\\nc"'


@pytest.mark.parametrize("log_format", LogFormat)
def test_a_journal_gets_the_priority_and_no_time(log_format: LogFormat) -> None:
    stream = _written(log_format, journal=True)
    logs.info("a")
    logs.warning("b")
    logs.error("c")
    lines = stream.getvalue().splitlines()
    assert [line[:3] for line in lines] == ["<6>", "<4>", "<3>"]
    assert "time" not in stream.getvalue()
    assert not re.search(r"\d{4}-", stream.getvalue())


def test_repeated_lines_are_suppressed_and_counted() -> None:
    now = 0.0
    repetition = RepetitionFilter(lambda: now)

    def written(event: str) -> dict[str, object] | None:
        record = logging.LogRecord("stream_ser", logging.INFO, "", 0, event, None, None)
        return getattr(record, "fields", {}) if repetition.filter(record) else None

    assert [written("a") is not None for _ in range(REPEAT_LIMIT + 7)] == [True] * REPEAT_LIMIT + [False] * 7
    assert written("b") == {}, "another event"
    now = REPEAT_INTERVAL_S
    assert written("a") == {"suppressed": 7}
    assert written("a") == {}


def test_without_a_handler_nothing_is_written(capfd: pytest.CaptureFixture[str]) -> None:
    logs.error("client_failed", client="1.2.3.4:5")
    assert capfd.readouterr() == ("", "")
