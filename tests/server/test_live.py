"""Clients of the daemon's own source, over real sockets."""

from __future__ import annotations

import json

import pytest
from serving import GREETING, NOW, close_code, receive, serving
from websockets.asyncio.client import connect

from stream_ser import protocol
from stream_ser.server.limits import MAX_TEXT_BYTES

pytestmark = pytest.mark.unit


async def test_each_client_gets_the_greeting_and_every_message_in_sequence() -> None:
    async with serving() as (server, address), connect(address) as one, connect(address) as other:
        for client in (one, other):
            assert await receive(client) == GREETING
        for start in range(5):
            server.publish(protocol.SpeechStart(start=start))
        for client in (one, other):
            assert [await receive(client) for _ in range(5)] == [
                protocol.SpeechStart(start=start, seq=start + 1) for start in range(5)
            ]


async def test_messages_are_json_with_their_type_first() -> None:
    async with serving() as (_, address), connect(address) as client:
        text = await client.recv()
        assert isinstance(text, str)
        assert list(json.loads(text)) == [
            "type", "seq", "state", "reason", "time", "label", "repaired", "clipped", "overflows", "recording",
        ]  # fmt: skip


async def test_a_ping_is_answered_and_a_subscription_applied() -> None:
    async with serving() as (server, address), connect(address) as client:
        await receive(client)
        await client.send('{"type":"subscribe","types":["emotion"],"only_final":true}')
        await client.send('{"type":"ping","id":"a"}')
        assert await receive(client) == protocol.Heartbeat(time=NOW, id="a", seq=1)
        server.publish(protocol.SpeechStart(start=1.0))
        for end, is_final in ((1.5, False), (2.0, True)):
            server.publish(
                protocol.Emotion(
                    start=0.0, end=end, label="sad", confidence=1.0, probabilities={"sad": 1.0}, models={}, is_final=is_final
                )
            )
        emotion = await receive(client)
        assert isinstance(emotion, protocol.Emotion)
        assert (emotion.is_final, emotion.seq) == (True, 2), "numbers of what is sent, without holes"


async def test_an_idle_client_gets_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_ser.server.subscriber.HEARTBEAT_INTERVAL_S", 0.05)
    monkeypatch.setattr("stream_ser.server.app.HEARTBEAT_POLL_S", 0.005)
    async with serving() as (_, address), connect(address) as client:
        await receive(client)
        assert [await receive(client) for _ in range(2)] == [protocol.Heartbeat(time=NOW, seq=seq) for seq in (1, 2)]


async def test_a_client_that_sends_invalid_text_gets_errors_and_stays() -> None:
    async with serving() as (server, address), connect(address) as client, connect(address) as other:
        await receive(client)
        await receive(other)
        for data, code in (("{]", "bad_message"), ('"text"', "bad_message"), ('{"type":"dance"}', "unknown_type")):
            await client.send(data)
            error = await receive(client)
            assert isinstance(error, protocol.Error)
            assert error.code == code
        server.publish(protocol.SpeechStart(start=1.0))
        assert isinstance(await receive(client), protocol.SpeechStart)
        assert isinstance(await receive(other), protocol.SpeechStart)


async def test_messages_about_audio_are_refused() -> None:
    async with serving() as (_, address), connect(address) as client:
        await receive(client)
        await client.send('{"type":"audio_start","sample_rate":16000}')
        error = await receive(client)
        assert isinstance(error, protocol.Error)
        assert error.code == "not_here"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"\0\1", 1003, id="audio"),
        pytest.param("x" * (MAX_TEXT_BYTES + 1), 1009, id="long text"),
        pytest.param("é" * (MAX_TEXT_BYTES // 2 + 1), 1009, id="text of few characters and many bytes"),
    ],
)
async def test_a_message_that_is_not_allowed_closes_that_client_only(data: str | bytes, code: int) -> None:
    async with serving() as (server, address), connect(address) as client, connect(address) as other:
        await receive(other)
        await client.send(data)
        assert await close_code(client) == code
        server.publish(protocol.SpeechStart(start=1.0))
        assert isinstance(await receive(other), protocol.SpeechStart)


async def test_a_client_that_sends_too_many_messages_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_ser.server.limits.MAX_MESSAGES_PER_S", 5)
    async with serving() as (_, address), connect(address) as client:
        for _ in range(20):
            await client.send('{"type":"ping"}')
        assert await close_code(client) == 1008
