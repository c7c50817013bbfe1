from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from stream_ser.daemon import settings
from stream_ser.daemon.settings import NAMES, SettingsError, explain, load_settings
from stream_ser.models.providers import ProviderChoice

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file of this test, not yet written; and no STREAM_SER_* of the machine."""
    file = tmp_path / "config.toml"
    monkeypatch.setattr(settings, "CONFIG", file)
    for name in NAMES:
        monkeypatch.delenv(f"STREAM_SER_{name.upper()}", raising=False)
    return file


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings({}).port == 8765
    config.write_text("port = 1001\nhop = 0.2")
    assert load_settings({}).port == 1001
    monkeypatch.setenv("STREAM_SER_PORT", "1002")
    assert load_settings({"port": None}).port == 1002
    effective = load_settings({"port": 1003})
    assert (effective.port, effective.hop) == (1003, 0.2)


def test_values_are_read_as_what_they_are(config: Path) -> None:
    config.write_text('provider = "cpu"\nmodels = "/some/where"\nrealtime = false')
    effective = load_settings({})
    assert effective.provider is ProviderChoice.CPU
    assert effective.models == Path("/some/where")
    assert effective.realtime is False


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("# comment\nvolume = 11", "config.toml:2: there is no setting volume; there are device, "),
        ("hopp = 0.2", "config.toml:1: there is no setting hopp, perhaps hop; there are device, "),
        ("port = 1\n\nhop = 3.0", "config.toml:3: setting hop is 3.0; it must be 0.01 to 0.5"),
        ('provider = "tpu"', "config.toml:1: setting provider is 'tpu'; it must be auto or cuda or cpu"),
        ("port = ", "is not valid TOML"),
        ("models = 3", "config.toml:1: setting models is 3; it must be a path"),
        ('realtime = "perhaps"', "config.toml:1: setting realtime is 'perhaps'; it must be true or false"),
        ("allow_origin = 7", "config.toml:1: setting allow_origin is 7; it must be a list of text"),
    ],
)
def test_a_wrong_setting_is_named_with_its_place(config: Path, content: str, message: str) -> None:
    config.write_text(content)
    with pytest.raises(SettingsError, match=re.escape(message)) as caught:
        load_settings({})
    assert "\n" not in str(caught.value)


def test_a_wrong_setting_of_another_place_is_named_with_that(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"^--hop: setting hop is 9"):
        load_settings({"hop": 9})
    monkeypatch.setenv("STREAM_SER_PORT", "-1")
    with pytest.raises(SettingsError, match=r"^STREAM_SER_PORT: setting port is '-1'"):
        load_settings({})


@pytest.mark.parametrize("make", [Path.mkdir, lambda file: file.write_bytes(b"\xff")], ids=["a folder", "no text"])
def test_a_file_that_cannot_be_read_is_named(config: Path, make: Callable[[Path], object]) -> None:
    make(config)
    with pytest.raises(SettingsError, match=r"cannot read the settings in .*config\.toml: .*; correct or remove it"):
        load_settings({})


def test_every_setting_is_explained_with_its_origin(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("port = 1001\nhop = 0.2")
    monkeypatch.setenv("STREAM_SER_PORT", "1002")
    explained = {name: (value, origin) for name, value, origin in explain()}
    assert set(explained) == set(NAMES)
    assert explained["port"] == ("1002", "STREAM_SER_PORT")
    assert explained["hop"] == ("0.2", f"{config}:2")
    assert explained["window"] == ("3.0", "default")


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        load_settings({}).port = 1  # type: ignore[misc]


def test_a_list_is_one_everywhere(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text('allow_origin = ["https://a", "https://b"]')
    nothing: list[object] = [None, (), []]
    for not_given in nothing:
        assert load_settings({"allow_origin": not_given}).allow_origin == ("https://a", "https://b")
    monkeypatch.setenv("STREAM_SER_ALLOW_ORIGIN", "https://c, https://d,")
    assert load_settings({}).allow_origin == ("https://c", "https://d")
    assert load_settings({"allow_origin": ["https://e"]}).allow_origin == ("https://e",)
