"""Metrics and log events of the code are those of docs/reference/monitoring.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/monitoring.md").read_text()


def test_every_metric_is_described() -> None:
    source = (ROOT / "stream_ser/daemon/metrics.py").read_text()
    kinds = {name: kind for kind, name in re.findall(r'(Count|Gauge|Histogram)\(\s*"(stream_ser_\w+)"', source)}
    assert kinds
    for name, kind in kinds.items():
        assert f"| `{name}{'_total' if kind == 'Count' else ''}` |" in PAGE, f"{name} is not described"


def test_every_log_event_is_described() -> None:
    sources = [file.read_text() for file in (ROOT / "stream_ser").rglob("*.py")]
    events = {name for source in sources for name in re.findall(r'logs\.(?:info|warning|error)\(\s*"(\w+)"', source)}
    assert events
    table = PAGE[PAGE.index("| event | level | when |") :]
    assert events <= set(re.findall(r"`(\w+)`", table)), "an event is not described"
