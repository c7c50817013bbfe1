"""MQTT, for home automation. The state is retained; a last will says when the bridge is gone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from stream_ser import protocol
from stream_ser.bridges import BridgeError, missing_library, parse_address
from stream_ser.events import NO_SPEECH
from stream_ser.protocol import StreamState

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.reasoncodes import ReasonCode

DEFAULT_PORT = 1_883

_CONNECT_TIMEOUT_S = 10.0
_LAST_MESSAGE_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class State:
    """What is retained: the label now, whether somebody speaks, and the state of the source."""

    label: str = NO_SPEECH
    confidence: float = 0.0
    speaking: bool = False
    source: str = StreamState.LISTENING.value

    def after(self, message: protocol.ServerMessage) -> State:
        """The state that follows a message."""
        match message:
            case protocol.SpeechStart():
                return replace(self, speaking=True)
            case protocol.SpeechEnd():
                return replace(self, label=NO_SPEECH, confidence=0.0, speaking=False)
            case protocol.Emotion():
                return replace(self, label=message.label, confidence=round(message.confidence, 2))
            case protocol.Status(state=StreamState.SOURCE_RESTORED):
                return replace(self, source=StreamState.LISTENING.value)
            case protocol.Status():
                return replace(self, source=message.state)
            case _:
                return self


def bridge(
    messages: Iterable[protocol.ServerMessage], to: str, topic: str, user: str | None = None, password: str | None = None
) -> None:
    """Publish the state (retained) to ``topic/state`` and each final emotion to ``topic/emotion``, as long as messages come.

    ``topic/availability`` is ``online`` meanwhile and ``offline`` afterwards, also when the bridge dies.

    Raises:
        BridgeError: there is no broker at ``to``, it refuses, or paho-mqtt is not installed.
    """
    availability = f"{topic}/availability"
    client = _connect(to, availability, user, password)
    try:
        state: State | None = None
        for message in messages:
            previous, state = state, (state or State()).after(message)
            # A change of the confidence alone is not worth a message.
            if previous is None or replace(previous, confidence=0.0) != replace(state, confidence=0.0):
                client.publish(f"{topic}/state", json.dumps(asdict(state)), qos=1, retain=True)
            if isinstance(message, protocol.Emotion) and message.is_final:
                emotion = {"label": message.label, "confidence": message.confidence, "probabilities": message.probabilities}
                client.publish(f"{topic}/emotion", json.dumps(emotion), qos=1)
    finally:
        client.publish(availability, "offline", qos=1, retain=True).wait_for_publish(_LAST_MESSAGE_TIMEOUT_S)
        client.loop_stop()
        client.disconnect()


def _connect(to: str, availability: str, user: str | None, password: str | None) -> Client:
    """A client that is connected, with its loop started and its last will on the topic ``availability``.

    Raises:
        BridgeError: there is no broker at ``to``, it refuses, or paho-mqtt is not installed.
    """
    try:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError:
        raise missing_library("paho-mqtt") from None
    host, port = parse_address(to, DEFAULT_PORT)
    client = Client(CallbackAPIVersion.VERSION2)
    if user is not None:
        client.username_pw_set(user, password)
    client.will_set(availability, "offline", qos=1, retain=True)
    answered, refusals = threading.Event(), list[str]()

    def on_connect(_client: object, _data: object, _flags: object, reason: ReasonCode, _properties: object) -> None:
        """Also called after a lost connection, when the broker has published the last will."""
        if reason.is_failure:
            refusals.append(str(reason))
        else:
            client.publish(availability, "online", qos=1, retain=True)
        answered.set()

    client.on_connect = on_connect
    try:
        client.connect(host, port)
    except OSError as error:
        raise BridgeError(f"no MQTT broker at {host}:{port}: {error}; start one, or name another with --to") from error
    client.loop_start()
    if not answered.wait(_CONNECT_TIMEOUT_S) or refusals:
        client.loop_stop()
        if refusals:
            raise BridgeError(f"the MQTT broker at {host}:{port} refuses: {refusals[0]}; see --user and --password-file")
        raise BridgeError(f"{host}:{port} does not answer as an MQTT broker; name another with --to")
    return client
