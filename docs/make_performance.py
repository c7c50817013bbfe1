"""Draws docs/results/bench.png from docs/results/bench.json, and prints the table of docs/explanation/performance.md.

Run from the root of the repository: python docs/make_performance.py
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt

RESULTS = Path(__file__).parent / "results"


def table() -> list[str]:
    """Rows of the table, from bench.json and peers.json."""
    result = json.loads((RESULTS / "bench.json").read_text())
    hop, client = result["hop_ms"], result["end_to_end_ms"]
    rows = [
        ("a hop of one stream, all of it", f"{hop['p50']:.2f} ms, p99 {hop['p99']:.2f} ms"),
        ("from its last sample in the ring to a client", f"{client['p50']:.1f} ms, p99 {client['p99']:.1f} ms"),
        ("streams that speak at once in real time", f"{result['max_streams_realtime']}"),
        ("in silence", f"{result['idle_cpu_percent']:.1f} % of a core"),
        ("memory", f"{result['rss_mb']:.0f} MB"),
        ("from start to ready", f"{result['ready_s']:.1f} s"),
    ]
    peers = json.loads((RESULTS / "peers.json").read_text())["peers"]
    rows += [
        (f"{name} on the window, each hop", f"{peer['ms']:.1f} ms, {peer['ratio']:.1f} times ours")
        for name, peer in peers.items()
    ]
    return [f"| {what} | {measured} |" for what, measured in rows]


def main() -> None:
    print("\n".join(table()))
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
    right.set_xticks(counts, [str(count) for count in counts], rotation=60)
    right.minorticks_off()
    right.legend()
    figure.savefig(RESULTS / "bench.png", dpi=100)


if __name__ == "__main__":
    main()
