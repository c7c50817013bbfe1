"""The bridges as processes beside the real daemon."""

from __future__ import annotations

import socket

import pytest
from patience import PATIENCE_S
from process import Command, refused
from pythonosc.osc_message import OscMessage

pytestmark = pytest.mark.integration

DEMO = ("listen", "--input", "demo", "--port", "0", "--provider", "cpu")


def test_osc_follows_the_daemon_and_ends_on_sigterm() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, Command(*DEMO) as daemon:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(PATIENCE_S)
        to = f"127.0.0.1:{receiver.getsockname()[1]}"
        with Command("bridge", "osc", "--url", daemon.address(), "--to", to) as bridge:
            got: list[OscMessage] = []
            while not any(one.address == "/stream_ser/emotion" for one in got):
                got.append(OscMessage(receiver.recv(4_096)))
            bridge.process.terminate()
            assert bridge.wait() == 0
            assert bridge.errors == ""
    assert (got[0].address, got[0].params) == ("/stream_ser/source", [1])
    assert "/stream_ser/speech" in {one.address for one in got}


def test_an_invalid_target_is_named() -> None:
    with refused("bridge", "osc", "--to", "here:there") as line:
        assert "--to is 'here:there'" in line


def test_a_broker_that_is_not_there_is_named() -> None:
    with refused("bridge", "mqtt", "--to", "127.0.0.1:9") as line:
        assert "no MQTT broker at 127.0.0.1:9" in line
