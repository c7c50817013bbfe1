"""With a real broker."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from patience import stretched
from requirements import require_programs

from stream_ser import protocol
from stream_ser.bridges import BridgeError, mqtt
from stream_ser.bridges.mqtt import State

pytestmark = pytest.mark.integration

WAIT = stretched(20.0)
EMOTION = protocol.Emotion(
    start=0.0, end=1.0, label="angry", confidence=0.75, probabilities={"calm": 0.25, "angry": 0.75}, models={}, is_final=True
)
UTTERANCE: list[protocol.ServerMessage] = [
    protocol.Status(state="listening", time=0.0, label="no_speech", repaired=0, clipped=0, overflows=0),
    protocol.SpeechStart(start=0.0),
    EMOTION,
    protocol.SpeechEnd(start=0.0, end=1.0),
]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    with _broker(tmp_path, "allow_anonymous true") as address:
        yield address


@contextmanager
def _broker(folder: Path, *rules: str) -> Iterator[str]:
    require_programs("mosquitto", "mosquitto_passwd")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "mosquitto.conf"
    config.write_text("\n".join([f"listener {port} 127.0.0.1", "user root", "log_type none", *rules, ""]))
    with subprocess.Popen(["mosquitto", "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        while not _answers(port):
            assert process.poll() is None
        yield f"127.0.0.1:{port}"
        process.terminate()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Home:
    """Keeps what comes under a topic."""

    def __init__(self, broker: str) -> None:
        self.received: list[tuple[str, str, bool]] = []
        self._news = threading.Condition()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._on_message
        host, port = broker.split(":")
        self._client.connect(host, int(port))
        self._client.subscribe("room/#", qos=1)
        self._client.loop_start()

    def __enter__(self) -> Home:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: object, _data: object, message: MQTTMessage) -> None:
        with self._news:
            self.received.append((message.topic, message.payload.decode(), message.retain))
            self._news.notify_all()

    def wait_for(self, topic: str, payload: str) -> None:
        with self._news:
            assert self._news.wait_for(lambda: any(one[:2] == (topic, payload) for one in self.received), WAIT), self.received

    def states(self) -> list[dict[str, object]]:
        return [json.loads(payload) for topic, payload, _ in self.received if topic == "room/state"]


def test_a_home_follows_the_state(broker: str) -> None:
    with Home(broker) as home:
        mqtt.bridge(UTTERANCE, broker, "room")
        home.wait_for("room/availability", "offline")
    assert [(one["label"], one["speaking"], one["source"]) for one in home.states()] == [
        ("no_speech", False, "listening"),
        ("no_speech", True, "listening"),
        ("angry", True, "listening"),
        ("no_speech", False, "listening"),
    ]
    (emotion,) = (json.loads(payload) for topic, payload, _ in home.received if topic == "room/emotion")
    assert emotion == {"label": "angry", "confidence": 0.75, "probabilities": {"calm": 0.25, "angry": 0.75}}
    assert ("room/availability", "online", False) in home.received


def test_a_later_subscriber_gets_the_last_state(broker: str) -> None:
    mqtt.bridge(UTTERANCE[:3], broker, "room")
    with Home(broker) as home:
        home.wait_for("room/availability", "offline")
        home.wait_for("room/state", '{"label": "angry", "confidence": 0.75, "speaking": true, "source": "listening"}')
    assert all(retained for _, _, retained in home.received)
    assert {topic for topic, _, _ in home.received} == {"room/availability", "room/state"}


def test_a_broker_with_a_password_gets_it_and_refuses_a_wrong_one(tmp_path: Path) -> None:
    require_programs("mosquitto_passwd")
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", str(passwords), "home", "secret"], check=True, capture_output=True)
    with _broker(tmp_path, "allow_anonymous false", f"password_file {passwords}") as broker:
        mqtt.bridge(UTTERANCE, broker, "room", "home", "secret")
        for credentials in ((None, None), ("home", "wrong")):
            with pytest.raises(BridgeError, match=r"refuses: Not authorized; see --user and --password-file"):
                mqtt.bridge(UTTERANCE, broker, "room", *credentials)


def test_a_broker_that_is_not_there_is_named() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(BridgeError, match=r"no MQTT broker at 127\.0\.0\.1:\d+: .*--to"):
            mqtt.bridge([], f"127.0.0.1:{bound.getsockname()[1]}", "room")


def test_a_lost_source_is_part_of_the_state() -> None:
    status = protocol.Status(state="source_lost", time=0.0, label="no_speech", repaired=0, clipped=0, overflows=0)
    lost = State().after(status)
    assert lost.source == "source_lost"
    back = protocol.Status(state="source_restored", time=0.0, label="no_speech", repaired=0, clipped=0, overflows=0)
    assert lost.after(back) == State()
