from __future__ import annotations

from pathlib import Path

import pytest

from stream_ser import settings
from stream_ser.models.provider import ProviderChoice
from stream_ser.settings import Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file of this test, not yet written; and no STREAM_SER_* of the machine."""
    file = tmp_path / "config.toml"
    monkeypatch.setattr(settings, "CONFIG", file)
    monkeypatch.setitem(Settings.model_config, "toml_file", file)
    for name in Settings.model_fields:
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
        ("volume = 11", "setting volume is 11"),
        ("hop = 3.0", "setting hop is 3.0"),
        ('provider = "tpu"', "setting provider is 'tpu'"),
        ("port = ", "is not valid TOML"),
    ],
)
def test_a_wrong_setting_is_named(config: Path, content: str, message: str) -> None:
    config.write_text(content)
    with pytest.raises(SettingsError, match=message) as caught:
        load_settings({})
    assert "\n" not in str(caught.value)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings({}).port = 1
