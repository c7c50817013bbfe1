"""Where a figure comes from: the commit and the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path


def commit() -> str:
    """Commit of the source tree that runs, with ``+changes`` if it was edited since; ``unknown`` outside a checkout."""
    package = Path(__file__).parent
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=package, capture_output=True, text=True, check=True)
        edits = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no", "--", "*.py"],
            cwd=package.parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+changes" if edits.stdout.strip() else "")


def origin(command: str) -> dict[str, str]:
    """Command, commit and machine: the fields of every result file."""
    return {"command": command, "commit": commit(), "machine": machine()}


def machine() -> str:
    """Processor, cores and Python; no name and no path."""
    processor = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                processor = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return f"{processor}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
