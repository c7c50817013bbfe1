from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from stream_ser.daemon.service import command_line, options, unit

pytestmark = pytest.mark.unit

UNIT = Path(__file__).parents[2] / "systemd/stream-ser.service"


def test_the_unit_file_is_what_install_writes() -> None:
    assert UNIT.read_text() == unit("%h/.local/bin/stream-ser listen")


@pytest.mark.parametrize("option", ["yeti", "Blue Yeti", 'a "b"', "it's; here", "back\\slash", ""])
def test_options_reach_the_daemon_as_they_were_given(option: str) -> None:
    # For these words the rules of systemd are those of a shell, but for $ and %, which it doubles.
    assert shlex.split(command_line(Path("/opt/my env/stream-ser"), ["--device", option])) == [
        "/opt/my env/stream-ser", "listen", "--device", option,
    ]  # fmt: skip


def test_what_systemd_would_expand_is_doubled() -> None:
    assert command_line(Path("/p"), ["100%h", "$HOME"]) == "/p listen 100%%h $$HOME"


def test_options_are_those_given_with_files_that_a_service_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = {
        "device": "a yeti", "channel": 2, "input": None, "record": Path("kept"), "realtime": False, "port": 0,
        "allow_origin": ("https://a", "https://b"), "hop": None,
    }  # fmt: skip
    assert options(given) == [
        "--device", "a yeti", "--channel", "2", "--record", f"{tmp_path}/kept", "--fast", "--port", "0",
        "--allow-origin", "https://a", "--allow-origin", "https://b",
    ]  # fmt: skip
    assert options({"input": "talk.wav", "allow_origin": (), "realtime": True}) == [
        "--input",
        f"{tmp_path}/talk.wav",
        "--realtime",
    ]
    assert options({"input": "demo"}) == ["--input", "demo"]
