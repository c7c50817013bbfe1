"""``stream-ser listen`` with a source and a worker that misbehave, by a seed: run as a process by test_chaos.py.

    python faulty_daemon.py SEED MINUTES LEDGER listen ...

The source begins when LEDGER with the suffix .go exists. What it wrote, and what it withheld, is written to LEDGER at the end.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import numpy as np
import soundfile

from stream_ser.audio.resample import resample
from stream_ser.audio.ring import Discontinuity, SampleRing
from stream_ser.audio.sources.file import DEMO
from stream_ser.audio.sources.source import OnStateChange, SourceState
from stream_ser.cli import app as cli
from stream_ser.core.engine import Engine
from stream_ser.core.hop import Hop
from stream_ser.core.recognizer import Recognizer
from stream_ser.daemon import app as daemon

RATES = (16_000, 48_000, 8_000, 44_100)
FAULTS = ("speech", "speech", "speech", "nan", "infinity", "offset", "clipping", "loss", "stall", "flood")


class ChaoticSource:
    """Plays the demo, with faults, as fast as it is processed."""

    name, host_api, failure = "chaos", "", None
    overflows = 0

    def __init__(self, seed: int, minutes: float, ledger: Path) -> None:
        self._rng, self._seconds, self._file = np.random.default_rng(seed), 60.0 * minutes, ledger
        demo = soundfile.read(DEMO, dtype="float32")[0]
        self._demos = {rate: resample(demo, 16_000, rate) for rate in RATES}
        self.sample_rate = 48_000
        self._written_s = self._withheld_s = 0.0
        self._faults = dict.fromkeys(FAULTS, 0)
        self._stop = threading.Event()

    def start(self, ring: SampleRing, on_state_change: OnStateChange) -> None:
        self._ring, self._on_state_change = ring, on_state_change
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _play(self) -> None:
        while not self._file.with_suffix(".go").exists():  # not before somebody follows
            self._stop.wait(0.01)
        while self._written_s + self._withheld_s < self._seconds and not self._stop.is_set():
            fault = str(self._rng.choice(FAULTS))
            self._faults[fault] += 1
            if fault == "loss":
                self._lose()
            elif fault == "stall":
                self._stop.wait(self._rng.uniform(0.0, 0.2))
            else:
                self._write(fault)
        ledger = {"written_s": self._written_s, "withheld_s": self._withheld_s, "faults": self._faults}
        self._file.write_text(json.dumps(ledger))
        self._ring.end()

    def _write(self, fault: str) -> None:
        count = round(self._rng.uniform(0.05, 8.0) * self.sample_rate)
        begin = self._rng.integers(len(self._demos[self.sample_rate]))
        samples = np.take(self._demos[self.sample_rate], np.arange(begin, begin + count), mode="wrap")
        some = slice(count // 3, count // 3 + self.sample_rate // 4)
        if fault == "nan":
            samples[some] = np.nan
        elif fault == "infinity":
            samples[some] = -np.inf
        elif fault == "offset":
            samples += np.float32(self._rng.uniform(-0.5, 0.5))
        elif fault == "clipping":
            samples = np.clip(30.0 * samples, -1.0, 1.0)
        blocks = [samples] if fault == "flood" else np.array_split(samples, max(1, count // (self.sample_rate // 20)))
        for block in blocks:
            while fault != "flood" and self._ring.room < len(block) and not self._stop.is_set():
                self._ring.drained.wait(0.1)
            self._ring.write(block)
            self._written_s += len(block) / self.sample_rate

    def _lose(self) -> None:
        self._ring.interrupt(Discontinuity(0, self.sample_rate))
        self._on_state_change(SourceState.LOST, "unplugged by chaos")
        self.sample_rate = int(self._rng.choice(RATES))
        lost = round(self._rng.uniform(0.0, 3.0) * self.sample_rate)
        self._ring.interrupt(Discontinuity(lost, self.sample_rate))
        self._withheld_s += lost / self.sample_rate
        self._on_state_change(SourceState.RESTORED, "")


def main() -> None:
    seed, minutes, ledger = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    processed, delays = [0], np.random.default_rng(seed + 1)
    feed, step = Recognizer.feed, Engine.step

    def counted(self: Recognizer, samples: np.ndarray) -> tuple[int, Hop | None]:
        taken, hop = feed(self, samples)
        processed[0] += taken
        return taken, hop

    def delayed(self: Engine) -> bool:
        if delays.random() < 0.005:
            time.sleep(delays.uniform(0.0, 0.3))
        return step(self)

    Recognizer.feed, Engine.step = counted, delayed  # type: ignore[method-assign]
    daemon.open_source = lambda settings: ChaoticSource(seed, minutes, ledger)
    sys.argv = ["stream-ser", *sys.argv[4:]]
    try:
        cli.app(standalone_mode=False)
    finally:
        ledger.write_text(json.dumps({**json.loads(ledger.read_text()), "processed_s": processed[0] / 16_000}))


if __name__ == "__main__":
    main()
