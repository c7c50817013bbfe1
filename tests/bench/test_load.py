from __future__ import annotations

from pathlib import Path

import pytest
from counted import count_windows

from stream_ser.bench import timing
from stream_ser.bench.load import load
from stream_ser.core.engine import Engine
from stream_ser.models.providers import ProviderChoice

pytestmark = pytest.mark.unit

WARM_UP_HOPS = 8


@pytest.fixture
def engine(bundles: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(timing, "WARM_UP_HOPS", WARM_UP_HOPS)
    return Engine.open(bundles, ProviderChoice.CPU)


def test_every_stream_is_classified_in_every_measured_hop(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = count_windows(monkeypatch, engine.classifier)
    load(engine, 5, 40)
    assert sum(windows[WARM_UP_HOPS : WARM_UP_HOPS + 40]) > 0.9 * 5 * 40


def test_the_streams_are_closed_afterwards(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    load(engine, 5, 10)
    windows = count_windows(monkeypatch, engine.classifier)
    load(engine, 1, 10)
    assert set(windows) <= {0, 1}
