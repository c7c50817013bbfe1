"""Settings from flags, the environment and a file, and where each comes from."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, NamedTuple, get_args, get_type_hints

import msgspec
from msgspec import Meta
from platformdirs import user_config_path

from stream_ser.daemon.logs import LogFormat
from stream_ser.errors import UserError
from stream_ser.models.providers import ProviderChoice

CONFIG = user_config_path("stream-ser") / "config.toml"
"""The settings file, read if it exists."""

_PREFIX = "STREAM_SER_"


class SettingsError(UserError):
    """A setting with a name or value that is not allowed."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What ``stream-ser listen`` runs with."""

    device: Annotated[str | None, Meta(description="Input device, by number or part of its name; none: the default.")] = None
    channel: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | None,
        Meta(description="Channel of the device, from 1; none: mean of the first two."),
    ] = None
    input: Annotated[str | None, Meta(description="Sound file instead of a device, or demo.")] = None
    realtime: Annotated[bool, Meta(description="Play a sound file at the pace of a microphone.")] = True
    host: Annotated[str, Meta(description="Address to serve on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to serve on; 0 for a free one.")] = 8765
    token_file: Annotated[Path | None, Meta(description="File with the token that clients must send.")] = None
    allow_origin: Annotated[
        tuple[str, ...], Meta(description="Origins of pages that may connect besides this machine's own.")
    ] = ()
    tls_cert: Annotated[Path | None, Meta(description="Certificate chain (PEM) to serve TLS with.")] = None
    tls_key: Annotated[Path | None, Meta(description="Its private key (PEM).")] = None
    models: Annotated[Path | None, Meta(description="Folder that stream-ser train wrote; none: the bundled models.")] = None
    provider: Annotated[ProviderChoice, Meta(description="What runs the models.")] = ProviderChoice.AUTO
    record: Annotated[Path | None, Meta(description="Folder to write audio and labels to; none: nothing is written.")] = None
    log_format: Annotated[
        LogFormat | None, Meta(description="Log in text or json instead of showing labels; text as a service.")
    ] = None
    hop: Annotated[float, Meta(ge=0.01, le=0.5, description="Seconds between two answers.")] = 0.1
    window: Annotated[float, Meta(ge=0.5, le=10.0, description="Seconds of speech that the models see at most.")] = 3.0


class Setting(NamedTuple):
    """One field of :class:`Settings`, for people."""

    name: str
    default: Any
    allowed: str
    meaning: str


NAMES: tuple[str, ...] = Settings.__struct_fields__


def describe() -> list[Setting]:
    """Every setting."""
    defaults = Settings()
    return [
        Setting(name, getattr(defaults, name), _allowed(hint), _metadata(hint)["description"])
        for name, hint in _hints().items()
    ]


def load_settings(flags: Mapping[str, Any]) -> Settings:
    """The settings in effect; a flag that is None or an empty list was not given.

    Raises:
        SettingsError: a name or value is not allowed, or the file cannot be read.
    """
    given = {name: value for name, value in flags.items() if value is not None and value not in ((), [])}
    hints, values = _hints(), {}
    for name, value in {**_from_file(), **_from_environment(), **given}.items():
        if name not in hints:
            import difflib  # for the message only

            near = "".join(f", perhaps {one}" for one in difflib.get_close_matches(name, NAMES, n=1))
            raise SettingsError(f"{_origin(name, given)}: there is no setting {name}{near}; there are {', '.join(NAMES)}")
        if name == "allow_origin" and isinstance(value, str):  # in the environment a list has commas
            value = [one.strip() for one in value.split(",") if one.strip()]
        try:
            values[name] = msgspec.convert(value, hints[name], strict=False, dec_hook=_to_path)
        except msgspec.ValidationError as error:
            raise SettingsError(
                f"{_origin(name, given)}: setting {name} is {value!r}; it must be {_allowed(hints[name])}"
            ) from error
    return Settings(**values)


def explain() -> list[tuple[str, str, str]]:
    """Each setting without flags: its name, its value and where that comes from.

    Raises:
        SettingsError: a name or value is not allowed, or the file cannot be read.
    """
    effective = load_settings({})
    return [(name, str(getattr(effective, name)), _origin(name, {})) for name in NAMES]


def _from_file() -> dict[str, Any]:
    text = _file_text()
    if not text:
        return {}
    import tomllib  # few have the file

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{CONFIG} is not valid TOML: {error}; correct it") from error


def _file_text() -> str:
    """The text of the settings file; empty where there is none."""
    try:
        return CONFIG.read_text()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SettingsError(f"cannot read the settings in {CONFIG}: {reason}; correct or remove it") from error


def _from_environment() -> dict[str, str]:
    """Of variables with other names, some are ours (``STREAM_SER_DATA``), so none is refused."""
    present = {name.upper(): value for name, value in os.environ.items()}
    return {name: present[_variable(name)] for name in NAMES if _variable(name) in present}


def _variable(name: str) -> str:
    return f"{_PREFIX}{name.upper()}"


def _origin(name: str, flags: Mapping[str, object]) -> str:
    """Where the value of a setting comes from: the strongest place that names it."""
    if name in flags:
        return f"--{name.replace('_', '-')}"
    if any(_variable(name) == found.upper() for found in os.environ):
        return _variable(name)
    assignment = re.compile(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=")
    lines = enumerate(_file_text().splitlines(), start=1)
    line = next((number for number, text in lines if assignment.match(text)), None)
    return "default" if line is None else f"{CONFIG}:{line}"


def _hints() -> dict[str, Any]:
    return get_type_hints(Settings, include_extras=True)


def _to_path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, (str, Path)):
        return Path(value)
    raise ValueError(f"not a {kind.__name__}")


def _metadata(hint: Any) -> dict[str, Any]:
    """Bounds and description of a type, those of its parts included."""
    found: dict[str, Any] = {}
    for part in get_args(hint):
        found |= _metadata(part)
        if isinstance(part, Meta):
            found |= {name: value for name in ("ge", "le", "description") if (value := getattr(part, name)) is not None}
    return found


def _allowed(hint: Any) -> str:
    """Bounds, choices, or the kind of value."""
    metadata = _metadata(hint)
    if "ge" in metadata:
        return f"{metadata['ge']:g} to {metadata['le']:g}"
    kinds = [kind for kind in (get_args(get_args(hint)[0]) or (get_args(hint)[0],)) if kind is not NoneType]
    if Ellipsis in kinds:
        return "a list of text"
    (kind,) = kinds
    if issubclass(kind, Enum):
        return " or ".join(choice.value for choice in kind)
    return {bool: "true or false", Path: "a path", str: "text"}[kind]
