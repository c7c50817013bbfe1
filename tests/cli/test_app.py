from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from stream_ser import __version__
from stream_ser.cli import app as cli
from stream_ser.errors import UserError

pytestmark = pytest.mark.unit

COMMANDS = [
    ["listen"], ["watch"], ["devices"], ["doctor"], ["bench"], ["train"], ["evaluate"], ["search"], ["config", "show"],
    ["service", "install"], ["service", "uninstall"], ["service", "status"], ["bridge", "osc"], ["bridge", "mqtt"],
    ["bridge", "lsl"], ["data", "download"], ["data", "check"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_its_place_and_its_help(command: list[str]) -> None:
    result = CliRunner().invoke(cli.app, [*command, "--help"])
    assert result.exit_code == 0
    assert f"stream-ser {' '.join(command)}" in result.output


def test_the_version_is_printed() -> None:
    result = CliRunner().invoke(cli.app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"stream-ser {__version__}\n")


def test_a_user_error_is_one_line_and_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def app() -> None:
        raise UserError("the port is taken; choose another")

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr() == ("", "stream-ser: the port is taken; choose another\n")


def test_nothing_heavy_is_imported_before_a_command_runs() -> None:
    script = "import sys, stream_ser.cli.app; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"numpy", "onnxruntime", "websockets", "sounddevice", "soundfile", "prometheus_client", "msgspec"}
    assert heavy & set(loaded) == set()


def test_the_package_can_be_run() -> None:
    result = subprocess.run([sys.executable, "-m", "stream_ser", "--version"], capture_output=True, text=True, check=True)
    assert result.stdout == f"stream-ser {__version__}\n"
