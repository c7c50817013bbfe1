from __future__ import annotations

import socket
from pathlib import Path

import pytest
from patience import stretched

from stream_ser.daemon.sd_notify import notify

pytestmark = pytest.mark.unit


def test_without_a_service_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")


@pytest.mark.parametrize("abstract", [False, True])
def test_the_state_arrives_at_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    address = f"@stream-ser-test-{tmp_path}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + address[1:] if abstract else address)
        manager.settimeout(stretched(10.0))
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        notify("READY=1\nSTATUS=fine")
        assert manager.recv(1024) == b"READY=1\nSTATUS=fine"
