"""This build beside an older one, in turn on the same machine: time of a hop, memory, and seconds to readiness.

Run from the root of the repository: python benchmarks/beside.py [COMMIT] [--rounds N]

Both run with the interpreter that runs this; the older build may need packages of the extra [dev].
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import soundfile
from beside_hops import HOPS, WARM_UP_HOPS
from rich.console import Console
from rich.table import Table

from stream_ser.bench.process import SETTLE_S, resident_mb
from stream_ser.bench.speech import speech
from stream_ser.provenance import origin

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "docs/results/beside.json"

OLDER = "921eb22"
"""The build before its parts got rooms."""

ROUNDS = 3
RATE = 16_000

Figures = dict[str, float]


def main() -> None:
    """Measure both builds in turn, print a table and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", nargs="?", default=OLDER, help=f"the older build (default {OLDER})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"measurements of each (default {ROUNDS})")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        signal, silence = Path(folder) / "speech.npy", Path(folder) / "silence.wav"
        np.save(signal, speech(7.0, RATE))
        soundfile.write(silence, np.zeros(60 * RATE, np.int16), RATE)
        trees = {"old": extract(arguments.commit, Path(folder) / "old"), "new": ROOT}
        measured: dict[str, list[Figures]] = {name: [] for name in trees}
        for number in range(arguments.rounds):
            taken = hops(trees, signal)
            for name, tree in trees.items():
                measured[name].append({**taken[name], **listening(tree, silence)})
                shown = ", ".join(f"{figure} {value:.3g}" for figure, value in measured[name][-1].items())
                console.print(f"round {number + 1} of {arguments.rounds}, {name}: {shown}", soft_wrap=True)
    old, new = (medians(rounds) for rounds in measured.values())
    ratio = {name: round(new[name] / old[name], 3) for name in new}
    console.print(table(arguments.commit, old, new, ratio))
    result: dict[str, Any] = {"old_commit": arguments.commit, "rounds": arguments.rounds}
    command = " ".join(["python benchmarks/beside.py", *sys.argv[1:]])
    RESULT.write_text(json.dumps({**result, "old": old, "new": new, "ratio": ratio, **origin(command)}, indent=2) + "\n")
    console.print(f"Results: {RESULT.name}")


def extract(commit: str, tree: Path) -> Path:
    """The files of a commit in a new folder."""
    archive = tree.with_suffix(".tar")
    subprocess.run(["git", "archive", "--output", str(archive), commit], cwd=ROOT, check=True)
    with tarfile.open(archive) as files:
        files.extractall(tree, filter="data")
    return tree


def hops(trees: dict[str, Path], signal: Path) -> dict[str, Figures]:
    """Milliseconds of a hop of each number of streams, and of processor time for it, by build.

    Both builds run at once and take their hops in turn, so that whatever else the machine does meets both alike.
    """
    command = [sys.executable, str(Path(__file__).with_name("beside_hops.py")), str(signal), *map(str, HOPS)]
    found: dict[str, Figures] = {name: {} for name in trees}
    with ExitStack() as running:
        builds = {
            name: running.enter_context(
                subprocess.Popen(
                    command, cwd=tree, env=environment(tree), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            for name, tree in trees.items()
        }
        for name, build in builds.items():
            folder = read_line(build)
            if Path(folder) != trees[name] / "stream_ser":
                raise SystemExit(f"{folder} ran instead of the build in {trees[name]}")
        for count, measured in HOPS.items():
            times: dict[str, list[list[float]]] = {name: [] for name in builds}
            for _ in range(WARM_UP_HOPS + measured):
                for name, build in builds.items():
                    times[name].append(take_hop(build))
            for name, taken in times.items():
                wall_ms, cpu_ms = (median(column) for column in zip(*taken[WARM_UP_HOPS:], strict=True))
                found[name] |= {f"hop_of_{count}_ms": wall_ms, f"hop_of_{count}_cpu_ms": cpu_ms}
    return found


def take_hop(build: subprocess.Popen[str]) -> list[float]:
    assert build.stdin is not None
    build.stdin.write("\n")
    build.stdin.flush()
    times: list[float] = json.loads(read_line(build))
    return times


def read_line(build: subprocess.Popen[str]) -> str:
    assert build.stdout is not None
    line = build.stdout.readline()
    if not line:
        raise SystemExit(f"a build ended with exit code {build.wait()}")
    return line.strip()


def listening(tree: Path, silence: Path) -> Figures:
    """Seconds to the readiness of ``listen`` on a silent file, and its memory :data:`SETTLE_S` later, in millions of bytes."""
    module = "stream_ser" if (tree / "stream_ser/__main__.py").exists() else "stream_ser.cli"
    command = [sys.executable, "-m", module, "listen", "--port", "0", "--provider", "cpu", "--input", str(silence)]
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=tree, env=environment(tree), stdout=subprocess.PIPE, text=True) as listen:
        assert listen.stdout is not None
        if not any(line.startswith("Connect to") for line in listen.stdout):
            raise SystemExit(f"stream-ser listen of the build in {tree} did not start (exit code {listen.wait()})")
        ready_s = time.perf_counter() - began
        time.sleep(SETTLE_S)
        memory = resident_mb(listen.pid)
        listen.terminate()
    return {"ready_s": ready_s, "rss_mb": memory}


def environment(tree: Path) -> dict[str, str]:
    """The build before what is installed; matrices on one thread, as the commands set it."""
    return {**os.environ, "PYTHONPATH": str(tree), "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def medians(rounds: list[Figures]) -> Figures:
    return {name: round(median(figures[name] for figures in rounds), 3) for name in rounds[0]}


def table(commit: str, old: Figures, new: Figures, ratio: Figures) -> Table:
    shown = Table("", f"{commit}", "this build", "new / old")
    for name in new:
        shown.add_row(name, f"{old[name]:.3g}", f"{new[name]:.3g}", f"{ratio[name]:.3f}")
    return shown


if __name__ == "__main__":
    main()
