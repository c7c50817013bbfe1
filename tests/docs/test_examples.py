"""The programs of the documents run against a daemon."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest
import soundfile
from patience import PATIENCE_S
from process import Command
from requirements import require, require_programs

from stream_ser.audio.sources.file import DEMO

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(page.relative_to(ROOT))
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    if re.search(r"^```(python|js)$", page.read_text(), flags=re.MULTILINE)
)


def node() -> list[str]:
    """The command that runs a module, with a WebSocket built in."""
    require_programs("node")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    require(int(version[1:].split(".")[0]) >= 20, "Node.js 20 or newer")
    return ["node", *(["--experimental-websocket", "--no-warnings"] if version.startswith("v20") else [])]


def first_line(program: subprocess.Popen[str]) -> str:
    """What a program prints first; it is ended if that takes too long."""
    assert program.stdout is not None
    limit = threading.Timer(PATIENCE_S, program.kill)
    limit.start()
    line = program.stdout.readline()
    limit.cancel()
    return line


@pytest.mark.parametrize("page", PAGES)
def test_programs_print_labels(page: str, tmp_path: Path) -> None:
    programs = re.findall(r"^```(python|js)\n(.*?)^```$", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    commands = [node() if language == "js" else [sys.executable, "-u"] for language, _ in programs]
    samples, rate = soundfile.read(DEMO)
    soundfile.write(tmp_path / "talk.wav", samples, rate)
    with Command("listen", "--input", "demo", "--port", "0", "--provider", "cpu") as daemon, ExitStack() as running:
        address = daemon.address()
        with urllib.request.urlopen(f"{address.replace('ws', 'http', 1)}stream-ser.js", timeout=PATIENCE_S) as module:
            (tmp_path / "stream-ser.mjs").write_bytes(module.read())
        started = []
        for number, (command, (language, source)) in enumerate(zip(commands, programs, strict=True)):
            text = source.replace("127.0.0.1:8765", address.removeprefix("ws://").rstrip("/"))
            file = tmp_path / f"program-{number}.{'mjs' if language == 'js' else 'py'}"
            file.write_text(re.sub(r'from "http[^"]*"', 'from "./stream-ser.mjs"', text))
            program = subprocess.Popen([*command, file.name], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
            running.callback(program.communicate)
            running.callback(program.kill)
            started.append(program)
        for program in started:
            assert first_line(program).strip()
