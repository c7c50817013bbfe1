"""MQTT: to home automation. The state is retained; a last will says when the bridge is gone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from stream_ser import protocol
from stream_ser.audio.sources.source import SourceState
from stream_ser.bridges import BridgeError, missing, place
from stream_ser.events import NO_SPEECH

PORT = 1_883

_ANSWERS = 10.0
"""Seconds that a broker may take to answer."""


@dataclass(frozen=True, slots=True)
class State:
    """What is retained: the label now, and whether the source is heard."""

    label: str = NO_SPEECH
    confidence: float = 0.0
    speaking: bool = False
    source: str = "listening"

    def after(self, message: protocol.ServerMessage) -> State:
        """The state once the message is known."""
        match message:
            case protocol.SpeechStart():
                return replace(self, speaking=True)
            case protocol.SpeechEnd():
                return replace(self, label=NO_SPEECH, confidence=0.0, speaking=False)
            case protocol.Emotion():
                return replace(self, label=message.label, confidence=round(message.confidence, 2))
            case protocol.Status():
                heard = message.state == SourceState.RESTORED
                return replace(self, source="listening" if heard else message.state)
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
    try:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion
        from paho.mqtt.reasoncodes import ReasonCode
    except ImportError:
        raise missing("paho-mqtt") from None
    host, port = place(to, PORT)
    client = Client(CallbackAPIVersion.VERSION2)
    if user is not None:
        client.username_pw_set(user, password)
    client.will_set(f"{topic}/availability", "offline", qos=1, retain=True)

    def connected(_client: object, _data: object, _flags: object, reason: ReasonCode, _more: object) -> None:
        """Also after the broker was away: it knows the will only, until it is told otherwise."""
        if reason.is_failure:
            refusals.append(str(reason))
        else:
            client.publish(f"{topic}/availability", "online", qos=1, retain=True)
        known.set()

    known, refusals = threading.Event(), list[str]()
    client.on_connect = connected
    try:
        client.connect(host, port)
    except OSError as error:
        raise BridgeError(f"no MQTT broker at {host}:{port}: {error}; start one, or name another with --to") from error
    client.loop_start()
    if not known.wait(_ANSWERS) or refusals:
        client.loop_stop()
        if refusals:
            raise BridgeError(f"the MQTT broker at {host}:{port} refuses: {refusals[0]}; see --user and --password-file")
        raise BridgeError(f"{host}:{port} does not answer as an MQTT broker; name another with --to")
    try:
        state: State | None = None
        for message in messages:
            before, state = state, (state or State()).after(message)
            # The confidence alone is not worth a message.
            if before is None or replace(before, confidence=0.0) != replace(state, confidence=0.0):
                client.publish(f"{topic}/state", json.dumps(asdict(state)), qos=1, retain=True)
            if isinstance(message, protocol.Emotion) and message.is_final:
                found = {"label": message.label, "confidence": message.confidence, "probabilities": message.probabilities}
                client.publish(f"{topic}/emotion", json.dumps(found), qos=1)
    finally:
        client.publish(f"{topic}/availability", "offline", qos=1, retain=True).wait_for_publish(2.0)
        client.loop_stop()
        client.disconnect()
