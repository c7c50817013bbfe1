"""The daemon as a service of the user: the microphone belongs to the user's sound server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from platformdirs import user_config_path

from stream_ser.errors import UserError

NAME = "stream-ser.service"

_UNIT = """\
# A user unit: the microphone belongs to the user's sound server. `stream-ser service install` writes it;
# by hand:
#   install -Dm644 systemd/stream-ser.service ~/.config/systemd/user/stream-ser.service
#   systemctl --user enable --now stream-ser
# Settings come from ~/.config/stream-ser/config.toml, and from the options in ExecStart.

[Unit]
Description=Live speech emotion recognition
After=pipewire.service pipewire-pulse.service pulseaudio.service

[Service]
Type=notify
ExecStart={command}
# Applies another device or channel; `stream-ser config show` prints the settings.
ExecReload=kill -HUP $MAINPID
# A microphone that is gone is waited for; only a fault ends the daemon.
Restart=on-failure
RestartSec=1
# The daemon reports every second while worker, source and event loop go on, and stops reporting when one hangs for 5 s.
WatchdogSec=10
TimeoutStopSec=5
# Nothing that it starts may gain rights it has not.
NoNewPrivileges=yes
# Clients are reached by IP, sound server and service manager by local sockets.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
# It needs no other system's calls, and no change of the kernel's personality.
SystemCallArchitectures=native
LockPersonality=yes
# What it writes (--record) is the user's alone.
UMask=0077
# Not here: MemoryDenyWriteExecute and PrivateDevices, which CUDA does not survive; what needs a mount namespace,
# which a user's service manager may not have.

[Install]
WantedBy=default.target
"""


class ServiceError(UserError):
    """The service manager is not there, or refused."""


def unit(command: str) -> str:
    """The unit file that runs ``command``, in the syntax of ``ExecStart=``."""
    return _UNIT.format(command=command)


def command_line(program: Path, options: Sequence[str]) -> str:
    """``program listen options...`` in the syntax of ``ExecStart=`` (systemd.service(5), "Command lines")."""
    return " ".join(_quoted(word) for word in (str(program), "listen", *options))


def options(given: Mapping[str, object]) -> list[str]:
    """The options of ``listen`` that were given, by setting; files absolute, since a service runs in another folder."""
    words: list[str] = []
    for name, value in given.items():
        option = f"--{name.replace('_', '-')}"
        match value:
            case None | ():
                pass
            case bool():
                words.append("--realtime" if value else "--fast")
            case tuple() | list():
                words += [word for one in value for word in (option, str(one))]
            case Path():
                words += [option, str(value.absolute())]
            case str() if name == "input" and value != "demo":
                words += [option, str(Path(value).absolute())]
            case _:
                words += [option, str(value)]
    return words


def unit_file() -> Path:
    """Where the user's service manager finds it."""
    return user_config_path("systemd") / "user" / NAME


def install(options: Sequence[str]) -> Path:
    """Write the unit with these options of ``listen``, enable and start it; return the file.

    Raises:
        ServiceError: the service manager is not there, or the daemon did not become ready.
    """
    _systemctl("daemon-reload")  # before anything is written: is there a service manager?
    file = unit_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(unit(command_line(Path(sys.executable).with_name("stream-ser"), options)))
    _systemctl("daemon-reload")
    _systemctl("enable", NAME)
    _systemctl("restart", NAME)
    return file


def uninstall() -> Path:
    """Stop and disable the service, and remove its unit; return the file that is gone.

    Raises:
        ServiceError: it is not installed, or the service manager is not there.
    """
    file = unit_file()
    if not file.exists():
        raise ServiceError(f"no service at {file}; nothing to uninstall")
    _systemctl("disable", "--now", NAME)
    file.unlink()
    _systemctl("daemon-reload")
    return file


def status() -> dict[str, str]:
    """What the service manager knows of it: ``ActiveState``, ``StatusText`` and so on.

    Raises:
        ServiceError: the service manager is not there.
    """
    shown = _systemctl("show", NAME, "-p", "LoadState,ActiveState,SubState,StatusText,NRestarts,MainPID")
    return dict(line.split("=", 1) for line in shown.splitlines())


def _systemctl(*arguments: str) -> str:
    try:
        done = subprocess.run(["systemctl", "--user", *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        raise ServiceError("systemctl is not installed; run stream-ser listen by other means") from None
    if done.returncode:
        reason = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise ServiceError(f"systemctl --user {' '.join(arguments)}: {reason}; see: journalctl --user -u {NAME}")
    return done.stdout


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped if escaped and not set(escaped) & set(" \t'\";") else f'"{escaped}"'
