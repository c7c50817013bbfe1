"""Everything that can be set about listening: one frozen object, defaults < TOML file < STREAM_SER_* < flags."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from platformdirs import user_config_path
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from stream_ser.daemon.logs import LogFormat
from stream_ser.errors import UserError
from stream_ser.models.providers import ProviderChoice

CONFIG = user_config_path("stream-ser") / "config.toml"
"""The settings file, read if it exists."""


class SettingsError(UserError):
    """A setting with a name or value that is not allowed."""


class Settings(BaseSettings):
    """What ``stream-ser listen`` runs with."""

    model_config = SettingsConfigDict(env_prefix="STREAM_SER_", toml_file=CONFIG, frozen=True, extra="forbid")

    device: str | None = Field(None, description="Input device, by number or part of its name; none: the default.")
    channel: int | None = Field(None, ge=1, le=64, description="Channel of the device, from 1; none: mean of the first two.")
    input: str | None = Field(None, description="Sound file instead of a device, or demo.")
    realtime: bool = Field(True, description="Play a sound file at the pace of a microphone.")
    host: str = Field("127.0.0.1", description="Address to serve on.")
    port: int = Field(8765, ge=0, le=65535, description="Port to serve on; 0 for a free one.")
    token_file: Path | None = Field(None, description="File with the token that clients must send.")
    allow_origin: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins of pages that may connect besides this machine's own."
    )
    tls_cert: Path | None = Field(None, description="Certificate chain (PEM) to serve TLS with.")
    tls_key: Path | None = Field(None, description="Its private key (PEM).")
    models: Path | None = Field(None, description="Folder that stream-ser train wrote; none: the bundled models.")
    provider: ProviderChoice = Field(ProviderChoice.AUTO, description="What runs the models.")
    record: Path | None = Field(None, description="Folder to write audio and labels to; none: nothing is written.")
    log_format: LogFormat | None = Field(None, description="Log in text or json instead of showing labels; text as a service.")
    hop: float = Field(0.1, ge=0.01, le=0.5, description="Seconds between two answers.")
    window: float = Field(3.0, ge=0.5, le=10.0, description="Seconds of speech that the models see at most.")

    @field_validator("allow_origin", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """In the environment a list has commas."""
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(flags: dict[str, Any]) -> Settings:
    """The settings in effect; a flag that is None or an empty list was not given.

    Raises:
        SettingsError: a name or value is not allowed.
    """
    given = {name: value for name, value in flags.items() if value is not None and value not in ((), [])}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if name not in Settings.model_fields:
            near = "".join(f", perhaps {one}" for one in difflib.get_close_matches(name, Settings.model_fields, n=1))
            what = f"there is no setting {name}{near}; there are {', '.join(Settings.model_fields)}"
        else:
            what = f"setting {name} is {first.get('input')!r}: {first['msg']}; see: stream-ser listen --help"
        raise SettingsError(f"{_origin(name, given)}: {what}") from error
    except ValueError as error:  # the TOML file does not parse
        raise SettingsError(f"{CONFIG} is not valid TOML: {error}") from error


def explain() -> list[tuple[str, str, str]]:
    """Each setting without flags: its name, its value and where that comes from.

    Raises:
        SettingsError: a name or value is not allowed.
    """
    effective = load_settings({})
    return [(name, str(getattr(effective, name)), _origin(name, {})) for name in Settings.model_fields]


def _origin(name: str, flags: Mapping[str, object]) -> str:
    """Where the value of a setting comes from: the strongest place that names it."""
    variable = f"STREAM_SER_{name.upper()}"
    if name in flags:
        return f"--{name}"
    if any(variable == found.upper() for found in os.environ):
        return variable
    lines = CONFIG.read_text().splitlines() if CONFIG.is_file() else []
    places = (number for number, line in enumerate(lines, start=1) if re.match(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=", line))
    line = next(places, None)
    return "default" if line is None else f"{CONFIG}:{line}"
