"""``stream-ser listen`` as a process: start-up, memory and idle load."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from stream_ser.errors import UserError
from stream_ser.models.providers import ProviderChoice

SETTLE_S = 2.0
"""After its readiness a process still finishes its start."""

IDLE_S = 10.0
"""For which its processor time is then counted."""

_SILENCE_S = 30


@dataclass(frozen=True, slots=True)
class Process:
    """Seconds to readiness, memory in millions of bytes, and the share of one core in silence."""

    ready_s: float
    rss_mb: float
    idle_cpu_percent: float


def process(provider: ProviderChoice) -> Process:
    """Start ``stream-ser listen`` on a silent file and measure it from outside.

    Raises:
        UserError: it did not start.
    """
    with tempfile.TemporaryDirectory() as folder:
        silence = Path(folder) / "silence.wav"
        soundfile.write(silence, np.zeros(_SILENCE_S * 16_000, np.int16), 16_000)
        command = [sys.executable, "-m", "stream_ser", "listen", "--port", "0"]
        command += ["--input", str(silence), "--provider", provider.value]
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listen:
            assert listen.stdout is not None
            if not any(line.startswith("Connect to") for line in listen.stdout):
                raise UserError(f"stream-ser listen did not start (exit code {listen.wait()}); run it by itself to see why")
            ready = time.perf_counter() - began
            time.sleep(SETTLE_S)
            before = _cpu_seconds(listen.pid)
            time.sleep(IDLE_S)
            idle = 100.0 * (_cpu_seconds(listen.pid) - before) / IDLE_S
            memory = resident_mb(listen.pid)
            listen.terminate()
    return Process(round(ready, 2), round(memory, 1), round(idle, 2))


def resident_mb(pid: int) -> float:
    """Memory of a process, in millions of bytes (Linux)."""
    return status_field(pid, "VmRSS") / 1e3


def status_field(pid: int, name: str) -> int:
    """A number of /proc/PID/status (Linux)."""
    found = re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None, name
    return int(found[1])


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
