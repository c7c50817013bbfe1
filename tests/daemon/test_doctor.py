from __future__ import annotations

import socket
from pathlib import Path

import pytest
from msgspec.structs import replace

from stream_ser.daemon.doctor import diagnose, sound_server
from stream_ser.daemon.settings import Settings, load_settings

pytestmark = pytest.mark.unit


@pytest.fixture
def settings(bundles: Path) -> Settings:
    return load_settings({"input": "demo", "models": bundles, "port": 0})


def failing(settings: Settings) -> dict[str, str]:
    return {finding.name: " ".join(finding.details) for finding in diagnose(settings) if not finding.ok}


def test_where_all_is_well_nothing_fails(settings: Settings) -> None:
    assert failing(settings) == {}


def test_models_that_are_not_there_fail(settings: Settings, bundles: Path) -> None:
    (bundles / "lstm-step.onnx").unlink()
    found = failing(settings)
    assert set(found) == {"models", "provider"}
    assert "no model at" in found["models"]


def test_a_port_that_is_taken_fails(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        found = failing(replace(settings, port=port))
    assert set(found) == {"port"}
    assert str(port) in found["port"]


def test_a_file_that_is_not_there_fails(settings: Settings, tmp_path: Path) -> None:
    found = failing(replace(settings, input=str(tmp_path / "none.wav")))
    assert set(found) == {"source"}
    assert "none.wav" in found["source"]


def test_variables_and_sockets_of_the_sound_server_are_listed(tmp_path: Path) -> None:
    (tmp_path / "pulse").mkdir()
    (tmp_path / "pulse" / "native").touch()
    lines = sound_server({"XDG_RUNTIME_DIR": str(tmp_path), "HOME": "/nowhere"})
    assert lines == [f"XDG_RUNTIME_DIR={tmp_path}", "PulseAudio has a socket there"]
    assert "none found" in sound_server({})[0]
