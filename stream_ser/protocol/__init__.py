"""The wire: messages, their encoding, subscriptions and schema."""

from stream_ser.protocol.codec import Frame, address, decode, decode_client, encode, of_event
from stream_ser.protocol.messages import (
    CLIENT_MESSAGES,
    SERVER_MESSAGES,
    VERSION,
    AudioEnd,
    AudioFormat,
    AudioStart,
    ClientMessage,
    Emotion,
    Error,
    Gap,
    Heartbeat,
    Hello,
    Message,
    Ping,
    Reset,
    ServerMessage,
    SpeechEnd,
    SpeechStart,
    Status,
    StreamState,
    Subscribe,
)
from stream_ser.protocol.schema import schema
from stream_ser.protocol.subscription import Subscription

__all__ = [
    "CLIENT_MESSAGES", "SERVER_MESSAGES", "VERSION", "AudioEnd", "AudioFormat", "AudioStart", "ClientMessage", "Emotion",
    "Error", "Frame", "Gap", "Heartbeat", "Hello", "Message", "Ping", "Reset", "ServerMessage", "SpeechEnd", "SpeechStart",
    "Status", "StreamState", "Subscribe", "Subscription", "address", "decode", "decode_client", "encode", "of_event", "schema",
]  # fmt: skip
