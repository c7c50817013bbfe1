from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream_ser.cli.app import app
from stream_ser.daemon import service
from stream_ser.daemon.settings import SettingsError

pytestmark = pytest.mark.unit


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options with which the service was installed."""
    options: list[str] = []

    def install(given: Sequence[str]) -> Path:
        options.extend(given)
        return Path("unit")

    monkeypatch.setattr(service, "install", install)
    return options


def test_install_takes_the_options_of_listen(installed: list[str]) -> None:
    result = CliRunner().invoke(app, ["service", "install", "--device", "a yeti", "--port", "0", "--fast"])
    assert result.exit_code == 0, result.output
    assert installed == ["--device", "a yeti", "--port", "0", "--fast"]
    assert result.output.startswith("Installed unit;")


def test_install_refuses_a_wrong_option_before_anything_is_written(installed: list[str]) -> None:
    result = CliRunner().invoke(app, ["service", "install", "--hop", "9"])
    assert isinstance(result.exception, SettingsError)
    assert installed == []


@pytest.mark.parametrize(
    ("state", "code", "line"),
    [
        ({"LoadState": "not-found", "ActiveState": "inactive"}, 3, "not installed"),
        ({"LoadState": "loaded", "ActiveState": "failed"}, 3, "failed (dead), restarted 2 times\nIts log: journalctl"),
        ({"LoadState": "loaded", "ActiveState": "active", "StatusText": "listening"}, 0, "restarted 2 times\nlistening\n"),
    ],
)
def test_status_exits_with_3_where_it_does_not_run(
    monkeypatch: pytest.MonkeyPatch, state: dict[str, str], code: int, line: str
) -> None:
    shown = {"SubState": "dead", "NRestarts": "2", "StatusText": "", **state}
    monkeypatch.setattr(service, "status", lambda: shown)
    result = CliRunner().invoke(app, ["service", "status"])
    assert result.exit_code == code
    assert line in result.output
