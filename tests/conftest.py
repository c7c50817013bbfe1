"""The tiers, the limits and the Hypothesis profile of all tests, and the fixtures that many share."""

from __future__ import annotations

import io
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

# Before numpy is imported, as the command line does: matrices are small here, and threads that wait for one another spin.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from patience import stretched
from requirements import require
from signals import Samples, silence, voice
from tiny_bundles import write_tiny_bundles

# A script's background command ignores Ctrl-C, and so would every process that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How fast an example is found or run is no verdict. Under CI the examples are always the same, so that only a change fails it.
settings.register_profile(
    "stream-ser",
    deadline=None,
    print_blob=True,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("stream-ser")

TIER_TIMEOUTS_S = {"unit": 120.0, "integration": 1200.0, "training": 1800.0}
"""The tiers, and the seconds after which one of their tests counts as hung."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the modules of other tiers unread: importing TensorFlow takes longer than most of ``make unit``."""
    tier = config.option.markexpr
    if tier in TIER_TIMEOUTS_S and collection_path.suffix == ".py" and f"mark.{tier}" not in collection_path.read_text():
        return True
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Require that every test stands in exactly one tier, and give it that tier's timeout."""
    for item in items:
        tiers = [tier for tier in TIER_TIMEOUTS_S if item.get_closest_marker(tier)]
        if len(tiers) != 1:
            raise pytest.UsageError(
                f"{item.nodeid} has {len(tiers)} of the markers {', '.join(TIER_TIMEOUTS_S)}; "
                "give its module exactly one: pytestmark = pytest.mark.unit"
            )
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(stretched(TIER_TIMEOUTS_S[tiers[0]])))


@pytest.fixture
def ravdess() -> Path:
    """The real data set, where STREAM_SER_DATA names it."""
    place = os.environ.get("STREAM_SER_DATA", "")
    require(bool(place) and Path(place).exists(), "the RAVDESS speech clips, named by STREAM_SER_DATA")
    return Path(place)


@pytest.fixture
def daemon_log() -> Iterator[io.StringIO]:
    """Everything that our packages log during the test: level, event, fields and tracebacks."""
    logger, lines = logging.getLogger("stream_ser"), io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s %(fields)s", defaults={"fields": {}}))
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    """A folder with small bundles that load fast."""
    folder = tmp_path / "bundles"
    folder.mkdir()
    write_tiny_bundles(folder)
    return folder


@pytest.fixture
def conversation() -> Samples:
    """Two utterances, of 1.2 s and 0.8 s, with silence around."""
    rng = np.random.default_rng(7)
    return np.concatenate((silence(0.7), voice(1.2, rng), silence(1.0), voice(0.8, rng), silence(0.9)))
