"""What many tests need: a signal, a tiny pair of bundles, and programs and data that may be missing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from needs import need
from signals import Samples, silence, voice
from tiny_bundles import metadata, tiny_model, tiny_stepping_model

from stream_ser.models.bundle import MODELS, STEPPED

# A script's background command ignores Ctrl-C, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


TIERS = ("unit", "integration", "training")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test stands in one tier, so that ``make unit`` is all that can be run before each commit."""
    for item in items:
        if sum(item.get_closest_marker(tier) is not None for tier in TIERS) != 1:
            raise pytest.UsageError(f"{item.nodeid} needs one of the markers {', '.join(TIERS)}: pytestmark = pytest.mark.unit")


@pytest.fixture
def ravdess() -> Path:
    """The real data set, where STREAM_SER_DATA names it."""
    place = os.environ.get("STREAM_SER_DATA", "")
    need(bool(place) and Path(place).exists(), "the RAVDESS speech clips, named by STREAM_SER_DATA")
    return Path(place)


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    """A folder with small bundles that load fast."""
    folder = tmp_path / "bundles"
    folder.mkdir()
    for name in MODELS:
        (folder / f"{name}.onnx").write_bytes(tiny_model(metadata(name).encode()).SerializeToString())
    stepping = tiny_stepping_model(metadata(STEPPED, step=4).encode())
    (folder / f"{STEPPED}.onnx").write_bytes(stepping.SerializeToString())
    return folder


@pytest.fixture
def conversation() -> Samples:
    """Two utterances, of 1.2 s and 0.8 s, with silence around."""
    rng = np.random.default_rng(7)
    return np.concatenate((silence(0.7), voice(1.2, rng), silence(1.0), voice(0.8, rng), silence(0.9)))
