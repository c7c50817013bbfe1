"""The daemon under minutes of faulty audio, with clients that misbehave too."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from collecting_client import CollectingClient
from patience import PATIENCE_S, wait_until
from requirements import require
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from stream_ser import protocol
from stream_ser.bench.measure import resident_mb

pytestmark = pytest.mark.integration

FAULTY_DAEMON = Path(__file__).parents[1] / "support/faulty_daemon.py"
MINUTES = 10.0
STORMERS = 8


class Storm:
    """Clients that come, misbehave and go, until it is over."""

    def __init__(self, address: str, seed: int) -> None:
        self._address, self._over = address, threading.Event()
        self._threads = [
            threading.Thread(target=self._misbehave, args=(random.Random(f"{seed} {i}"),)) for i in range(STORMERS)
        ]
        self.visits = 0

    def __enter__(self) -> Storm:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def _misbehave(self, rng: random.Random) -> None:
        host, port = self._address.removeprefix("ws://").rstrip("/").rsplit(":", 1)
        while not self._over.wait(0.05 * rng.random()):
            with contextlib.suppress(OSError, WebSocketException):
                if rng.random() < 0.3:
                    with socket.create_connection((host, int(port)), 1.0) as raw:
                        raw.sendall(rng.randbytes(rng.randrange(1, 200)))
                else:
                    self._visit(rng)
                self.visits += 1

    def _visit(self, rng: random.Random) -> None:
        with connect(self._address, open_timeout=PATIENCE_S, close_timeout=0.1) as client:
            for _ in range(rng.randrange(5)):
                choice = rng.random()
                if choice < 0.4:
                    client.recv(1.0)
                elif choice < 0.7:
                    client.send(rng.choice(["{", "null", '{"type": "subscribe"}', '"' * 50, "\N{SNOWMAN}" * 100]))
                elif choice < 0.85:
                    client.send(rng.randbytes(100))
                else:
                    self._over.wait(0.3 * rng.random())
            if rng.random() < 0.5:
                client.socket.close()  # without a close frame


@pytest.mark.parametrize("seed", [1, 2])
def test_faults_lose_nothing_uncounted(tmp_path: Path, seed: int) -> None:
    require(Path("/proc/self/status").exists(), "Linux")
    ledger_file, errors_file = tmp_path / "ledger.json", tmp_path / "errors"
    command = [sys.executable, str(FAULTY_DAEMON), str(seed), str(MINUTES), str(ledger_file)]
    command += ["listen", "--port", "0", "--provider", "cpu", "--log-format", "json"]
    with errors_file.open("wb") as errors, subprocess.Popen(command, stderr=errors, env={**os.environ}) as daemon:
        wait_until(lambda: b'"ready"' in errors_file.read_bytes(), "it is ready")
        address = json.loads(errors_file.read_text().splitlines()[0])["address"]
        sizes: list[float] = []
        with CollectingClient(address) as client, Storm(address, seed) as storm:
            wait_until(lambda: storm.visits >= STORMERS, "clients come and go")
            before = storm.visits
            ledger_file.with_suffix(".go").touch()
            for share in (0.3, 0.9):
                processed = partial(_has_processed, client, share * 60 * MINUTES)
                client.wait_until(processed, f"{share:.0%} are processed", 4 * PATIENCE_S)
                sizes.append(resident_mb(daemon.pid))
            client.wait_until(lambda: client.states()[-1] == "ended", "the end", 4 * PATIENCE_S)
        assert daemon.wait(PATIENCE_S) == 0
    events = [json.loads(line) for line in errors_file.read_text().splitlines()]
    assert not [event for event in events if event["level"] == "error"], "nothing failed, and there is no traceback"
    assert storm.visits > before, "clients came and went while audio was processed"
    assert client.close_code == 1001

    ledger, gaps = json.loads(ledger_file.read_text()), client.of(protocol.Gap)
    assert all(ledger["faults"].values()), "every fault happened"
    total = ledger["written_s"] + ledger["kept_back_s"]
    rounding = 1.0 / 16_000 * (2 * ledger["faults"]["loss"] + len(gaps) + 2)
    last = client.of(protocol.Status)[-1]
    lost = {reason: sum(gap.seconds for gap in gaps if gap.reason == reason) for reason in ("source_lost", "overflow")}  # type: ignore[misc]
    assert last.time == pytest.approx(total, abs=rounding)
    assert lost["source_lost"] == pytest.approx(ledger["kept_back_s"], abs=rounding)
    assert lost["overflow"] > 0.0
    assert lost["overflow"] == pytest.approx(ledger["written_s"] - ledger["heard_s"], abs=rounding)
    assert last.repaired > 0
    assert last.clipped > 0

    assert [message.seq for message in client.messages] == list(range(len(client.messages)))
    _assert_in_order(client.messages)
    assert sizes[1] - sizes[0] < 15.0, "megabytes"


def _has_processed(client: CollectingClient, seconds: float) -> bool:
    ends = [message.end for message in client.messages[-20:] if isinstance(message, protocol.Emotion | protocol.SpeechEnd)]
    return max(ends, default=0.0) > seconds


def _assert_in_order(messages: list[protocol.ServerMessage]) -> None:
    """Utterances do not overlap, and time does not go back."""
    now, speaking = 0.0, False
    for message in messages:
        match message:
            case protocol.SpeechStart():
                assert not speaking
                assert message.start >= now - 1e-6
                now, speaking = message.start, True
            case protocol.Emotion():
                assert speaking
                assert now - 0.7 <= message.end  # a final answer ends before the pause that revealed the end
                assert message.start < message.end
                now = max(now, message.end if not message.is_final else now)
            case protocol.SpeechEnd():
                assert speaking
                now, speaking = max(now - 0.7, message.end), False
            case protocol.Gap(reason="overflow" | "source_lost"):
                assert not speaking, "what was in progress ended before"
                assert isinstance(message.start, float)
                assert isinstance(message.seconds, float)
                assert message.start >= now - 1e-6
                now = message.start + message.seconds
            case _:
                pass
