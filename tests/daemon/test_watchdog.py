from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from stream_ser.audio.ring import SampleRing, WakeEvent
from stream_ser.audio.sources.file import DEMO, FileSource
from stream_ser.audio.sources.source import SourceState
from stream_ser.daemon.state import HUNG_AFTER_S, DaemonState
from stream_ser.daemon.watchdog import COUNTS_INTERVAL_S, Watchdog
from stream_ser.features import MfccSettings
from stream_ser.models.classifier import load_classifier
from stream_ser.models.providers import ProviderChoice

pytestmark = pytest.mark.unit

ALIVE = "WATCHDOG=1"


@dataclass
class Host:
    heartbeat: float = 0.0


@dataclass
class Stream:
    ring: SampleRing = field(default_factory=lambda: SampleRing(100, WakeEvent()))
    time: float = 0.0
    repaired: int = 0
    clipped: int = 0


class Scene:
    """A watchdog, what it watches, and the service manager that it reports to."""

    def __init__(self, manager: socket.socket, state: DaemonState) -> None:
        self._manager, self.state = manager, state
        self.host, self.stream = Host(), Stream()
        self.statuses = 0
        self.watchdog = Watchdog(self.host, self.stream, state, "ws://x/", lambda: 0, self._publish_status)
        self.began = time.monotonic()

    def _publish_status(self) -> None:
        self.statuses += 1

    def check(self, after: float, *, worker: bool = True, source: bool = True) -> list[str]:
        """Check ``after`` seconds, at which worker and source still went on or did not; the lines that were reported."""
        if worker:
            self.host.heartbeat = self.began + after
        if source:
            self.stream.ring.write(np.zeros(1, np.float32))
        self.watchdog.check(self.began + after)
        try:
            return self._manager.recv(4096, socket.MSG_DONTWAIT).decode().splitlines()
        except BlockingIOError:
            return []


@pytest.fixture
def scene(tmp_path: Path, bundles: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        classifier = load_classifier(bundles, MfccSettings(), ProviderChoice.CPU, 3.0)
        yield Scene(manager, DaemonState(FileSource(DEMO, realtime=True), classifier, 0.1, None))


def test_it_reports_while_worker_and_source_go_on(scene: Scene) -> None:
    assert [ALIVE in scene.check(float(second)) for second in range(20)] == [True] * 20


def test_a_worker_that_hangs_is_no_longer_reported(scene: Scene) -> None:
    scene.check(0.0)
    assert ALIVE in scene.check(HUNG_AFTER_S - 0.1, worker=False)
    assert ALIVE not in scene.check(HUNG_AFTER_S + 0.1, worker=False)
    assert ALIVE in scene.check(HUNG_AFTER_S + 1.0)


def test_a_source_that_hangs_is_no_longer_reported(scene: Scene) -> None:
    scene.check(0.0)
    assert ALIVE in scene.check(HUNG_AFTER_S - 0.1, source=False)
    assert ALIVE not in scene.check(HUNG_AFTER_S + 0.1, source=False)


def test_a_source_that_is_known_to_be_lost_may_be_silent(scene: Scene) -> None:
    scene.check(0.0)
    scene.state.source_changed(SourceState.LOST, "unplugged")
    assert ALIVE in scene.check(10 * HUNG_AFTER_S, source=False)


def test_the_status_line_is_reported_when_it_changes(scene: Scene) -> None:
    assert any(line.startswith("STATUS=listening to demo.flac") for line in scene.check(0.0))
    assert scene.check(1.0) == [ALIVE]
    scene.state.source_changed(SourceState.LOST, "unplugged")
    assert any(line.startswith("STATUS=source_lost: unplugged") for line in scene.check(2.0))


def test_growing_counts_are_published_at_most_every_few_seconds(scene: Scene) -> None:
    scene.check(0.0)
    assert scene.statuses == 0
    scene.stream.clipped = 1
    scene.check(1.0)
    assert scene.statuses == 1
    scene.stream.clipped = 2
    scene.check(2.0)
    assert scene.statuses == 1
    scene.check(1.1 + COUNTS_INTERVAL_S)
    assert scene.statuses == 2
    scene.check(3.0 + 2 * COUNTS_INTERVAL_S)
    assert scene.statuses == 2, "nothing new"
