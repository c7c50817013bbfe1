"""The daemon's life: what makes it end, and how."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from stream_ser import protocol
from stream_ser.audio.sources.file import DEMO, FileSource
from stream_ser.core.engine import Engine
from stream_ser.core.host import EngineHost
from stream_ser.daemon.app import Daemon
from stream_ser.daemon.settings import Settings, load_settings
from stream_ser.models.bundle import BundleError
from stream_ser.outputs.recorder import Recorder, RecordingError

pytestmark = pytest.mark.unit


@pytest.fixture
def settings(bundles: Path) -> Settings:
    return load_settings({"input": "demo", "models": bundles, "port": 0, "provider": "cpu"})


@pytest.fixture(autouse=True)
def _captured(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("stream_ser"), "propagate", True)
    caplog.set_level(logging.INFO, logger="stream_ser")


class Scene:
    """A daemon, a client of it, and what was published."""

    def __init__(self, settings: Settings, *, realtime: bool = False) -> None:
        self.published: list[protocol.ServerMessage] = []
        self.received: list[protocol.ServerMessage] = []
        self.close_code: int | None = None
        self.connected = threading.Event()
        self.addresses: asyncio.Queue[str] = asyncio.Queue()
        source = FileSource(DEMO, realtime=realtime)
        self.daemon = Daemon(settings, source, lambda: settings, self._on_started, self.published.append)

    def _on_started(self, address: str, daemon: Daemon) -> None:
        assert daemon is self.daemon
        self.addresses.put_nowait(address)

    async def run(self) -> None:
        """Run the daemon, and follow it until it closes the connection."""
        following = asyncio.create_task(self._follow())
        try:
            await self.daemon.run()
        finally:
            await following

    async def _follow(self) -> None:
        async with connect(await self.addresses.get()) as client:
            self.connected.set()
            with contextlib.suppress(ConnectionClosedError):
                async for data in client:
                    self.received.append(protocol.decode(data))
            self.close_code = client.close_code


def states(messages: list[protocol.ServerMessage]) -> list[str]:
    return [message.state for message in messages if isinstance(message, protocol.Status)]


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.msg for record in caplog.records if record.name == "stream_ser"]


async def test_a_file_that_is_over_ends_it(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(settings)
    await scene.run()
    assert states(scene.published) == ["ended"]
    assert scene.close_code == 1001
    assert logged(caplog)[0] == "ready"
    assert "stopping" in logged(caplog)
    assert any(isinstance(message, protocol.SpeechEnd) for message in scene.published)


async def test_an_engine_that_fails_ends_it_with_the_error(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(settings, realtime=True)

    def step(engine: Engine) -> bool:
        if scene.connected.is_set():
            raise RuntimeError("no step")
        return False

    monkeypatch.setattr(Engine, "step", step)
    with pytest.raises(RuntimeError, match="no step"):
        await scene.run()
    assert states(scene.published) == ["stopping"]
    assert scene.close_code == 1011
    assert "engine_failed" in logged(caplog)


async def test_its_own_stream_that_fails_ends_it_with_the_error(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_samples(recorder: Recorder, samples: object) -> None:
        raise RuntimeError("no samples")

    monkeypatch.setattr(Recorder, "on_samples", on_samples)
    scene = Scene(replace(settings, record=tmp_path / "recording"), realtime=True)
    with pytest.raises(RuntimeError, match="no samples"):
        await scene.run()
    assert states(scene.published) == ["stopping"]
    assert "stream_failed" in logged(caplog)


async def test_the_first_reason_to_stop_is_the_one_that_clients_get(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(settings, realtime=True)
    stop = EngineHost.stop

    async def fail_while_stopping(host: EngineHost) -> None:
        scene.daemon._on_stream_end(None)
        await stop(host)

    monkeypatch.setattr(EngineHost, "stop", fail_while_stopping)
    asyncio.get_running_loop().call_later(0.1, scene.daemon._on_engine_failure, RuntimeError("first"))
    with pytest.raises(RuntimeError, match="first"):
        await scene.run()
    assert states(scene.published) == ["stopping"]


async def test_a_recording_that_fails_is_reported_and_does_not_end_it(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "recording"
    scene = Scene(replace(settings, record=folder))
    folder.rmdir()  # before the first part is created
    await scene.run()
    statuses = [message for message in scene.published if isinstance(message, protocol.Status)]
    assert [status.recording for status in statuses] == [False, False]
    assert states(scene.published) == ["listening", "ended"]
    assert "recording_failed" in logged(caplog)


def test_models_and_folders_are_refused_before_anything_runs(settings: Settings, bundles: Path) -> None:
    with pytest.raises(RecordingError):
        Scene(replace(settings, record=Path("/proc/nowhere")))
    (bundles / "mlp.onnx").unlink()
    with pytest.raises(BundleError):
        Scene(settings)
