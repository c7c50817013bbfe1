from __future__ import annotations

import threading

import numpy as np
import pytest
from patience import PATIENCE_S
from signals import silence, voice
from streams import Recorded, loudness_backend

from stream_ser.core.engine import Engine
from stream_ser.core.worker import Worker
from stream_ser.events import Emotion

pytestmark = pytest.mark.unit


def test_a_worker_processes_what_is_written_until_it_is_stopped() -> None:
    engine, failures, ended = Engine(loudness_backend()), list[BaseException](), threading.Event()
    recorded = Recorded(engine)
    recorded.stream.on_end = lambda failure: ended.set()
    worker = Worker(engine, failures.append)
    began = worker.heartbeat
    worker.start()
    rng = np.random.default_rng(1)
    signal = np.concatenate((silence(0.3), voice(0.7, rng), silence(0.8), voice(0.6, rng)))
    for start in range(0, len(signal), 320):
        recorded.write(signal[start : start + 320])
    recorded.stream.ring.end()
    assert ended.wait(PATIENCE_S)
    worker.stop()
    assert sum(isinstance(event, Emotion) and event.is_final for event in recorded.events) == 2
    assert failures == []
    assert worker.heartbeat > began


def test_an_engine_that_breaks_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, failures, failed = Engine(loudness_backend()), list[BaseException](), threading.Event()
    monkeypatch.setattr(engine, "step", lambda: [][0])

    def on_failure(error: BaseException) -> None:
        failures.append(error)
        failed.set()

    worker = Worker(engine, on_failure)
    worker.start()
    assert failed.wait(PATIENCE_S)
    worker.stop()
    assert [type(failure) for failure in failures] == [IndexError]
