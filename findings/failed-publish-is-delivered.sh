#!/usr/bin/env bash
# paho-mqtt: a message whose publish() failed is delivered later, and still counts as failed
#
# Package    paho-mqtt 2.2.0
# Upstream   eclipse-paho/paho.mqtt.python, src/paho/mqtt/client.py: Client.publish, MQTTMessageInfo
# Expected   publish() while the broker is away returns an error, "not connected". What failed is gone: the caller decides
#            whether to send it again, and the outcome that is asked for later is the true one.
# Happens    With QoS 1 the message is queued all the same and sent at the next connection, so that whoever sends it again
#            sends it twice. is_published() raises "publish failed" before and after the broker has acknowledged it.
# Seen       2026-11, against a broker of a few lines on the loopback:
#              not connected  publish() returns 4: The client is not currently connected.
#              not connected  is_published() raises RuntimeError: Message publish failed: The client is not currently connected.
#              connected      the broker has received ['angry'], on_publish was called: True
#              connected      is_published() raises RuntimeError: Message publish failed: The client is not currently connected.
# For us     What the MQTT bridge publishes while the broker is away arrives later, as emotions of the past and all at once, so
#            it has to look for a connection first; and wait_for_publish() at its end has to expect this RuntimeError.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'paho-mqtt==2.2.0'
"$dir/venv/bin/python" - <<'PY'
import socket
import sys
import threading

from paho.mqtt.client import CallbackAPIVersion, Client, error_string

received = []
acknowledged = threading.Event()


def serve(listener: socket.socket) -> None:
    """MQTT 3.1.1 for one client whose packets are shorter than 128 bytes."""
    stream = listener.accept()[0].makefile("rwb", buffering=0)
    while head := stream.read(2):
        body = stream.read(head[1])
        if head[0] >> 4 == 1:  # CONNECT
            stream.write(b"\x20\x02\x00\x00")
        elif head[0] >> 4 == 3:  # PUBLISH with QoS 1: topic, packet identifier, payload
            topic = 2 + int.from_bytes(body[:2], "big")
            received.append(body[topic + 2 :].decode())
            stream.write(b"\x40\x02" + body[topic : topic + 2])


def outcome(info) -> str:
    try:
        return f"is_published() returns {info.is_published()}"
    except RuntimeError as error:
        return f"is_published() raises RuntimeError: {error}"


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
client = Client(CallbackAPIVersion.VERSION2)
client.on_publish = lambda *_: acknowledged.set()
info = client.publish("emotion", "angry", qos=1)
print(f"not connected  publish() returns {int(info.rc)}: {error_string(info.rc)}")
print(f"not connected  {outcome(info)}")
client.connect("127.0.0.1", listener.getsockname()[1])
client.loop_start()
delivered = acknowledged.wait(10)
print(f"connected      the broker has received {received}, on_publish was called: {delivered}")
after = outcome(info)
print(f"connected      {after}")
client.disconnect()
client.loop_stop()
if received != ["angry"] or not delivered or info.rc != 4 or "raises" not in after:
    sys.exit(f"changed: rc {info.rc}, received {received}, {after}")
PY
