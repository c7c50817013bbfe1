"""Uploads and plain HTTP at the real daemon."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from patience import PATIENCE_S, wait_until
from process import Command
from signals import Samples
from websockets.asyncio.client import ClientConnection, connect

from stream_ser import protocol
from stream_ser.audio.resample import resample
from stream_ser.audio.sources.file import DEMO

pytestmark = pytest.mark.integration

MANY = 50
"""Uploads at once."""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[str]:
    """Address of a daemon whose own source is silent."""
    soundfile.write(tmp_path / "silence.flac", np.zeros(600 * 16_000, np.int16), 16_000)
    with Command("listen", "--input", str(tmp_path / "silence.flac"), "--port", "0", "--provider", "cpu") as command:
        yield command.address()
        command.process.terminate()
        assert command.wait() == 0
        assert command.errors == ""


@pytest.fixture(scope="module")
def demo() -> Samples:
    return np.asarray(soundfile.read(DEMO, dtype="float32")[0], np.float32)


@pytest.fixture(scope="module")
def expected() -> list[tuple[float, float, str]]:
    """Final labels of the demo as the daemon's own source."""
    with Command("listen", "--input", "demo", "--port", "0", "--provider", "cpu") as command:
        return asyncio.run(_finals_of(command.address()))


async def _finals_of(address: str) -> list[tuple[float, float, str]]:
    async with connect(address) as client:
        return _finals([message async for message in _messages(client)])


async def _messages(client: ClientConnection) -> AsyncIterator[protocol.ServerMessage]:
    async for data in client:
        yield protocol.decode(data)


def _finals(messages: list[protocol.ServerMessage]) -> list[tuple[float, float, str]]:
    return [
        (round(message.start, 3), round(message.end, 3), message.label)
        for message in messages
        if isinstance(message, protocol.Emotion) and message.is_final
    ]


async def _upload(address: str, data: bytes, start: str, *, piece: int) -> list[protocol.ServerMessage]:
    """Send audio in pieces of so many bytes; return every message that came."""
    async with connect(address, max_queue=None) as client:
        collecting = asyncio.create_task(_collect(client))
        await client.send(start)
        for begin in range(0, len(data), piece):
            await client.send(data[begin : begin + piece])
        await client.send('{"type":"audio_end"}')
        async with asyncio.timeout(PATIENCE_S):
            messages = await collecting
        assert client.close_code == 1000
    assert [message.seq for message in messages] == list(range(len(messages)))
    return messages


async def _collect(client: ClientConnection) -> list[protocol.ServerMessage]:
    return [message async for message in _messages(client)]


def _pcm(samples: Samples) -> bytes:
    return (samples * 32_768.0).round().clip(-32_768, 32_767).astype("<i2").tobytes()


def test_a_recording_sent_at_once_gets_the_labels_that_the_daemon_gives_it(
    daemon: str, demo: Samples, expected: list[tuple[float, float, str]]
) -> None:
    start = '{"type":"audio_start","sample_rate":16000}'
    messages = asyncio.run(_upload(f"{daemon}v1/stream?mode=batch", _pcm(demo), start, piece=100_003))
    hello, *_, last = messages
    assert isinstance(hello, protocol.Hello)
    assert (hello.source, hello.time, hello.recording) == ("", 0.0, False)
    assert _finals(messages) == expected
    assert len(expected) >= 4
    assert isinstance(last, protocol.Status)
    assert last.state == "ended"
    assert last.time == pytest.approx(len(demo) / 16_000)
    assert not [message for message in messages if isinstance(message, protocol.Gap | protocol.Error)]


@pytest.mark.parametrize(("rate", "channels", "form"), [(48_000, 2, "f32le"), (8_000, 1, "s16le"), (44_100, 1, "f32le")])
def test_other_formats_are_converted(daemon: str, demo: Samples, rate: int, channels: int, form: str) -> None:
    samples = np.repeat(resample(demo[: 7 * 16_000], 16_000, rate)[:, None], channels, axis=1)
    data = samples.astype("<f4").tobytes() if form == "f32le" else _pcm(samples)
    start = json.dumps({"type": "audio_start", "sample_rate": rate, "channels": channels, "format": form})
    messages = asyncio.run(_upload(f"{daemon}v1/stream?mode=batch", data, start, piece=50_001))
    assert len(_finals(messages)) == 1
    assert isinstance(messages[-1], protocol.Status)
    assert messages[-1].time == pytest.approx(7.0, abs=0.001)


def test_many_uploads_at_once_get_the_labels_of_one_alone(
    daemon: str, demo: Samples, expected: list[tuple[float, float, str]]
) -> None:
    async def all_of_them() -> list[list[protocol.ServerMessage]]:
        start, data = '{"type":"audio_start","sample_rate":16000}', _pcm(demo)
        address = f"{daemon}v1/stream?mode=batch"  # as fast as this machine is: whether it keeps up live is for the benchmark
        return await asyncio.gather(*(_upload(address, data, start, piece=3_200 + 160 * number) for number in range(MANY)))

    for messages in asyncio.run(all_of_them()):
        assert _finals(messages) == expected
        assert not [message for message in messages if isinstance(message, protocol.Gap | protocol.Error)]


def test_live_audio_that_comes_too_fast_is_refused_and_others_are_not_disturbed(daemon: str, demo: Samples) -> None:
    start = '{"type":"audio_start","sample_rate":16000}'
    messages = asyncio.run(_upload(f"{daemon}v1/stream", _pcm(demo), start, piece=32_000))
    codes = {message.code for message in messages if isinstance(message, protocol.Error)}
    gaps = [message for message in messages if isinstance(message, protocol.Gap) and message.reason != "slow_client"]
    assert codes == {"rate_limited"}
    assert {gap.reason for gap in gaps} == {"rate_limited"}
    assert isinstance(messages[-1], protocol.Status)
    assert messages[-1].time == pytest.approx(len(demo) / 16_000, abs=0.01), "stream time passes over refused audio"


def test_a_ping_is_answered_with_the_time_of_ones_own_audio(daemon: str) -> None:
    async def ping() -> list[protocol.ServerMessage]:
        async with connect(f"{daemon}v1/stream?mode=batch") as client:
            await client.send('{"type":"audio_start","sample_rate":16000}')
            await client.send(bytes(2 * 16_000 * 5))
            await client.send('{"type":"audio_end"}')
            messages = _messages(client)
            answers = [await anext(messages)]
            await client.send('{"type":"ping","id":"x"}')
            return [*answers, *[message async for message in messages]]

    answers = asyncio.run(ping())
    assert isinstance(answers[-1], protocol.Status)
    assert answers[-1].time == 5.0
    beats = [message for message in answers if isinstance(message, protocol.Heartbeat)]
    assert all(0.0 <= beat.time <= 5.0 and beat.id == "x" for beat in beats)


def _get(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address.replace("ws", "http", 1).rstrip("/") + path, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def _metrics(address: str) -> dict[str, float]:
    status, text = _get(address, "/metrics")
    assert status == 200
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def test_health_info_schema_and_metrics_are_served(daemon: str, demo: Samples) -> None:
    status, text = _get(daemon, "/healthz")
    health = json.loads(text)
    assert status == 200
    assert health["ok"]
    assert (health["state"], health["source"], health["provider"]) == ("listening", "silence.flac", "CPUExecutionProvider")
    assert health["worker_age_s"] >= 0.0
    assert protocol.decode(_get(daemon, "/v1/info")[1]).__class__ is protocol.Hello
    assert json.loads(_get(daemon, "/v1/schema")[1]) == json.loads(json.dumps(protocol.schema()))

    start = '{"type":"audio_start","sample_rate":16000}'
    asyncio.run(_upload(f"{daemon}v1/stream?mode=batch", _pcm(demo), start, piece=100_000))
    wait_until(lambda: _metrics(daemon)["stream_ser_clients"] == 0.0, "the server knows that the client left")
    values = _metrics(daemon)
    assert values["stream_ser_final_emotions_total"] >= 4
    assert values["stream_ser_messages_sent_total"] > 100
    assert values["stream_ser_streams"] == 1.0
    assert values["stream_ser_source_up"] == 1.0
    assert values['stream_ser_stage_seconds_count{stage="inference"}'] > 100
    assert values["process_resident_memory_bytes"] > 5e7
    for label in ("angry", "calm", "fearful"):
        assert not any(label in name for name in values), "emotions are no metric"


def test_a_daemon_without_a_source_is_unhealthy() -> None:
    with Command("listen", "--device", "no such device", "--port", "0", "--provider", "cpu") as command:
        status, text = _get(command.address(), "/healthz")
        assert status == 503
        assert json.loads(text)["state"] == "source_lost"
        assert not json.loads(text)["ok"]
        command.process.terminate()
        assert command.wait() == 0
