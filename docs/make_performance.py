"""Draws docs/results/bench.png from docs/results/bench.json: what a hop is made of, and how many streams a machine serves.

Run from the root of the repository: python docs/make_performance.py
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    result = json.loads((RESULTS / "bench.json").read_text())
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    stages = result["hop_ms"]["stages"]
    bars = left.barh(list(stages)[::-1], [stage["p50"] for stage in stages.values()][::-1])
    left.bar_label(bars, fmt="%.2f", padding=3)
    left.margins(x=0.15)
    left.set(title=f"Stages of a hop, one stream ({result['provider']})", xlabel="median, ms")
    streams, hop = result["streams"], 1e3 * result["hop_s"]
    counts = [one["n"] for one in streams]
    for name, label in (("p50_ms", "median"), ("p99_ms", "99 of 100")):
        right.plot(counts, [one[name] for one in streams], marker="o", label=label)
    right.axhline(hop, color="grey", linestyle="--", label=f"hop, {hop:g} ms")
    right.set(title="A hop of many streams that all speak", xlabel="streams", ylabel="ms", xscale="log", yscale="log")
    right.set_xticks(counts, [str(count) for count in counts])
    right.minorticks_off()
    right.legend()
    figure.savefig(RESULTS / "bench.png", dpi=100)


if __name__ == "__main__":
    main()
