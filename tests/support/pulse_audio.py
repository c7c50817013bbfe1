"""A real PulseAudio server; the monitors of its null sinks are microphones."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from patience import PATIENCE_S, wait_until


class SoundServer:
    """PulseAudio with nothing but null sinks; programs with ``env`` reach it."""

    def __init__(self, home: Path) -> None:
        home.chmod(0o700)
        self.env = {**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(home), "PULSE_RUNTIME_PATH": str(home / "pulse")}
        self.env["PULSE_SERVER"] = f"unix:{home}/pulse/native"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start with one microphone, ``room``."""
        self._process = subprocess.Popen(
            [
                "pulseaudio", "-n", "--exit-idle-time=-1", "--log-target=stderr", "--log-level=error",
                "-L", "module-native-protocol-unix auth-anonymous=1",
            ],
            env=self.env,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(
            lambda: not subprocess.run(["pactl", "info"], env=self.env, capture_output=True).returncode,
            "the sound server answers",
        )
        self.add("room")

    def add(self, name: str, rate: int = 48_000) -> None:
        """Plug in a microphone of this name, and make it the default."""
        self._control("load-module", "module-null-sink", f"sink_name={name}", f"rate={rate}")
        self._control("set-default-source", f"{name}.monitor")

    def remove(self, name: str) -> None:
        """Unplug the microphone."""
        modules = self._control("list", "short", "modules").splitlines()
        (number,) = (line.split("\t")[0] for line in modules if f"sink_name={name} " in line)
        self._control("unload-module", number)

    def freeze(self) -> None:
        """Suspend the server, as when the machine sleeps."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume the server."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the server; :meth:`start` brings a new one."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE_S)

    def play(self, file: Path, name: str = "room") -> None:
        """Play a file into a microphone, and return at its end."""
        subprocess.run(["paplay", f"--device={name}", str(file)], env=self.env, check=True, timeout=PATIENCE_S)

    def _is_up(self) -> bool:
        return subprocess.run(["pactl", "info"], env=self.env, capture_output=True).returncode == 0

    def _control(self, *arguments: str) -> str:
        return subprocess.run(["pactl", *arguments], env=self.env, check=True, capture_output=True, text=True).stdout
