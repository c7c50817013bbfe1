from __future__ import annotations

import pytest

from stream_ser.server.limits import (
    MAX_CONNECTIONS_PER_ADDRESS,
    MAX_MESSAGES_PER_S,
    MAX_TEXT_BYTES,
    Connections,
    ReceiveLimit,
)

pytestmark = pytest.mark.unit


def test_one_other_machine_is_limited_and_this_one_is_not() -> None:
    connections = Connections()
    for address in ("10.0.0.1", "127.0.0.1"):
        for _ in range(MAX_CONNECTIONS_PER_ADDRESS):
            assert not connections.is_full_for(address)
            connections.add(address)
    assert connections.is_full_for("10.0.0.1")
    assert not connections.is_full_for("10.0.0.2")
    assert not connections.is_full_for("127.0.0.1")
    connections.remove("10.0.0.1")
    assert not connections.is_full_for("10.0.0.1")
    assert connections.total == 2 * MAX_CONNECTIONS_PER_ADDRESS - 1


def test_all_of_them_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_ser.server.limits.MAX_CONNECTIONS", 2)
    connections = Connections()
    for address in ("127.0.0.1", "10.0.0.1"):
        assert not connections.is_full
        connections.add(address)
    assert connections.is_full


def test_so_many_messages_a_second_are_allowed() -> None:
    limit = ReceiveLimit()
    for second in (5.0, 6.0):
        assert all(limit.violation("{}", second) is None for _ in range(MAX_MESSAGES_PER_S))
    assert limit.violation(b"", 6.9) == (1008, "too many messages")


def test_text_is_limited_in_bytes_and_audio_is_not() -> None:
    limit = ReceiveLimit()
    assert limit.violation("x" * MAX_TEXT_BYTES, 0.0) is None
    assert limit.violation(bytes(MAX_TEXT_BYTES + 1), 0.0) is None
    violation = limit.violation("\N{SNOWMAN}" * (MAX_TEXT_BYTES // 3 + 1), 0.0)
    assert violation is not None
    assert violation[0] == 1009
