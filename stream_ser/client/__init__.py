"""Follow a daemon from Python: typed messages, and a connection that comes back.

    from stream_ser.client import AsyncClient, Client, Emotion

    for message in Client():
        if isinstance(message, Emotion) and message.is_final: ...

    async for message in AsyncClient("wss://studio:8765/", token="..."): ...

A connection that breaks is made again, with the same subscription; each begins with a ``Hello``.
"""

from stream_ser.client.asynchronous import AsyncClient
from stream_ser.client.reconnect import ClientError
from stream_ser.client.sync import Client
from stream_ser.protocol import Emotion, Gap, Hello, ServerMessage, SpeechEnd, SpeechStart, Status, Subscribe

__all__ = [
    "AsyncClient", "Client", "ClientError", "Emotion", "Gap", "Hello", "ServerMessage", "SpeechEnd", "SpeechStart", "Status",
    "Subscribe",
]  # fmt: skip
