"""What a hop costs on this machine: each stage of it, its way to a client, many streams at once, start-up and memory."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from rich.console import Console
from websockets.sync.client import connect

from stream_ser import protocol
from stream_ser.audio.file import DEMO
from stream_ser.decision import Decision, DecisionSettings, fuse
from stream_ser.engine import Engine, Stream, Worker
from stream_ser.errors import UserError
from stream_ser.events import Emotion, Event
from stream_ser.features import MfccSettings, StreamingMfcc
from stream_ser.models.classifier import Classifier, load_classifier
from stream_ser.models.provider import ProviderChoice, ProviderError
from stream_ser.models.window import Window
from stream_ser.provenance import origin
from stream_ser.recognizer import Recognizer
from stream_ser.server import Server
from stream_ser.vad import SpeechGate, VoiceActivity

STREAMS = (1, 10, 50, 100, 200, 400, 800, 1_600)
"""Numbers of streams that are tried, until they are too many for the machine."""

_HOPS = 200
_HOPS_OF_MANY = 25
_WARM = 35
"""Hops before measuring: by then an utterance fills the window."""

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Spread:
    """Times in milliseconds."""

    median: float
    p99: float

    @classmethod
    def of(cls, seconds: list[float]) -> Spread:
        median, p99 = 1e3 * np.percentile(seconds, (50, 99))
        return cls(round(float(median), 3), round(float(p99), 3))


def speech(seconds: float, rate: int) -> Samples:
    """Somebody who speaks without a pause: the longest utterance of the demo recording, again and again."""
    samples, _ = soundfile.read(DEMO, dtype="float32")
    gate = SpeechGate()
    changes = [change for probability in VoiceActivity().push(samples) if (change := gate.update(probability))]
    start, end = max(((one.start, one.end) for one in changes if one.end is not None), key=lambda span: span[1] - span[0])
    utterance = samples[start:end]
    return np.asarray(np.resize(utterance, round(seconds * rate)), np.float32)


def stages(classifier: Classifier, hop: float, window: float) -> dict[str, Spread]:
    """Each stage of a hop of one stream that speaks, measured by itself on the same speech."""
    features = MfccSettings()
    signal = speech((_HOPS + _WARM) * hop, features.sample_rate)
    pieces = np.split(signal, len(signal) // round(hop * features.sample_rate))
    detector, extractor = VoiceActivity(), StreamingMfcc(features)
    asked = _windows(pieces, hop, window, classifier.step)
    memory, answers = classifier.new_memory(), list[dict[str, NDArray[np.float32]]]()
    decision = Decision(classifier.labels, hop, DecisionSettings())
    event = Emotion(0.0, 1.0, "calm", _named(classifier), {"lstm": _named(classifier), "mlp": _named(classifier)}, False)
    return {
        "voice activity": _time(detector.push, pieces),
        "MFCC": _time(extractor.push, pieces),
        "models": _time(lambda one: answers.extend(classifier.classify([(one, memory)])), asked),
        "decision": _time(lambda one: decision.interim(fuse(list(one.values()))), answers),
        "message": _time(lambda one: protocol.encode(protocol.of_event(one)).with_seq(1), [event] * len(pieces)),
    }


def one_stream(classifier: Classifier, hop: float, window: float) -> Spread:
    """All of a hop of one stream: from samples in the ring to messages."""
    return _step_many(classifier, 1, hop, window, _HOPS)


def many_streams(classifier: Classifier, hop: float, window: float, told: Callable[[int, Spread], None]) -> dict[int, Spread]:
    """A hop of so many streams that all speak, one after another until a hop takes longer than it lasts."""
    found: dict[int, Spread] = {}
    for count in STREAMS:
        found[count] = _step_many(classifier, count, hop, window, _HOPS_OF_MANY)
        told(count, found[count])
        if found[count].median > 1e3 * hop:
            break
    return found


def to_a_client(classifier: Classifier, hop: float, window: float) -> Spread:
    """From the last sample of a hop entering the ring to its message at a client on this machine, at the pace of speech."""
    return asyncio.run(_to_a_client(classifier, hop, window))


def start_up() -> tuple[float, float]:
    """Seconds from the start of ``stream-ser listen`` to its readiness, and its resident memory in MB after 20 s of sound."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "stream_ser.cli", "listen", "--input", "demo", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = memory = 0.0
        for line in process.stdout:
            if line.startswith("Connect to"):
                ready = time.perf_counter() - began
            if ready and time.perf_counter() - began > ready + 20.0:
                memory = _resident(process.pid)
                process.terminate()
                break
        process.wait()
    if not memory:
        raise UserError(f"stream-ser listen ended too soon, with exit code {process.returncode}; run it by itself to see why")
    return round(ready, 2), round(memory, 1)


def measure(provider: ProviderChoice, hop: float, window: float, console: Console) -> dict[str, Any]:
    """Everything, on one provider, told as it comes; times in milliseconds.

    Raises:
        ProviderError: the provider does not run.
    """
    classifier = load_classifier(None, MfccSettings(), provider, window)
    console.print(f"[bold]{classifier.provider}[/], a hop of {1e3 * hop:g} ms, a window of {window:g} s")

    def show(what: str, spread: Spread, more: str = "") -> None:
        console.print(f"  {what:<28}{spread.median:>9.2f} ms, p99 {spread.p99:>8.2f} ms{more}", highlight=False)

    found: dict[str, Any] = {"stages_ms": {}, "streams_ms": {}}
    for name, spread in stages(classifier, hop, window).items():
        show(name, spread)
        found["stages_ms"][name] = asdict(spread)
    whole = one_stream(classifier, hop, window)
    show("all of a hop", whole)
    reached = to_a_client(classifier, hop, window)
    show("to a client", reached)
    found |= {"hop_ms": asdict(whole), "to_a_client_ms": asdict(reached)}

    def told(count: int, spread: Spread) -> None:
        show(f"{count} streams", spread, f", {spread.median / count:.3f} a stream")

    curve = many_streams(classifier, hop, window, told)
    found["streams_ms"] = {str(count): asdict(spread) for count, spread in curve.items()}
    return found


def bench(hop: float, window: float, out: Path | None, console: Console) -> None:
    """Measure every provider that runs here, then a process of its own; write JSON to ``out`` if it is named."""
    providers: dict[str, dict[str, Any]] = {}
    for provider in (ProviderChoice.CPU, ProviderChoice.CUDA):
        try:
            providers[provider.value] = measure(provider, hop, window, console)
        except ProviderError as error:
            console.print(f"[bold]{provider.value}[/] is not measured: {error.reason}", highlight=False)
    ready, resident = start_up()
    console.print(f"Ready {ready:g} s after the start; {resident:g} MB of resident memory.", highlight=False)
    if out is not None:
        result = {
            **origin("stream-ser bench"),
            "hop_s": hop,
            "window_s": window,
            "ready_s": ready,
            "resident_mb": resident,
            "providers": providers,
        }
        out.write_text(json.dumps(result, indent=2) + "\n")
        console.print(f"Results: {out}", soft_wrap=True, highlight=False)


def _windows(pieces: list[Samples], hop: float, window: float, step: int) -> list[Window]:
    """What the recogniser asks, each with its own copy of the frames."""
    recognizer = Recognizer(MfccSettings(), hop, window, step=step)
    asked = []
    for piece in pieces:
        _, one = recognizer.advance(piece)
        if one is not None:
            asked.append(Window(one.mfcc.copy(), one.new.copy(), 0, one.start, one.end, one.begins, one.is_final))
            recognizer.answer({"none": np.full(8, 0.125, np.float32)})
        recognizer.drain()
    return asked


def _named(classifier: Classifier) -> dict[str, float]:
    return dict.fromkeys(classifier.labels, 1.0 / len(classifier.labels))


def _time(work: Callable[[Any], object], items: list[Any]) -> Spread:
    taken = []
    for item in items:
        start = time.perf_counter()
        work(item)
        taken.append(time.perf_counter() - start)
    return Spread.of(taken[_WARM:])


def _step_many(classifier: Classifier, count: int, hop: float, window: float, hops: int) -> Spread:
    features = MfccSettings()
    engine, length = Engine(classifier), round(hop * features.sample_rate)

    def deliver(events: list[Event]) -> None:
        for event in events:
            protocol.encode(protocol.of_event(event))

    streams: list[Stream] = []
    for _ in range(count):
        recognizer = Recognizer(features, hop, window, classifier.labels, step=classifier.step)
        streams.append(engine.add(features.sample_rate, recognizer, deliver, lambda: None))
    signal = speech(7.0, features.sample_rate)
    shifts = np.random.default_rng(0).integers(0, len(signal), count)
    taken = []
    for number in range(_WARM + hops):
        for stream, shift in zip(streams, shifts, strict=True):
            stream.ring.write(np.take(signal, np.arange(length) + shift + number * length, mode="wrap"))
        start = time.perf_counter()
        engine.step()
        taken.append(time.perf_counter() - start)
    return Spread.of(taken[_WARM:])


async def _to_a_client(classifier: Classifier, hop: float, window: float) -> Spread:
    features = MfccSettings()
    loop, engine = asyncio.get_running_loop(), Engine(classifier)
    server = Server(list)

    def publish(events: list[Event]) -> None:
        for event in events:
            server.publish(protocol.of_event(event))

    recognizer = Recognizer(features, hop, window, classifier.labels, step=classifier.step)
    stream = engine.add(
        features.sample_rate, recognizer, lambda events: _ignore(loop.call_soon_threadsafe(publish, events)), lambda: None
    )
    address = await server.start("127.0.0.1", 0)
    written: dict[int, float] = {}
    taken: list[float] = []
    failures: list[BaseException] = []
    worker = Worker(engine, failures.append)
    client = threading.Thread(target=_receive, args=(address, written, taken, hop))
    client.start()
    while not server.clients:
        await asyncio.sleep(0.01)
    worker.start()
    await asyncio.to_thread(_play, stream, hop, written)
    await asyncio.to_thread(worker.stop)
    await server.stop()
    await asyncio.to_thread(client.join)
    if failures:
        raise failures[0]
    return Spread.of(taken)


def _ignore(_: object) -> None:
    """Drop what a call returns."""


def _play(stream: Stream, hop: float, written: dict[int, float]) -> None:
    rate = MfccSettings().sample_rate
    signal = speech((_HOPS + _WARM) * hop, rate)
    begin = time.perf_counter()
    for number, piece in enumerate(np.split(signal, _HOPS + _WARM)):
        time.sleep(max(0.0, begin + (number + 1) * hop - time.perf_counter()))
        written[number + 1] = time.perf_counter()
        stream.ring.write(piece)


def _receive(address: str, written: dict[int, float], taken: list[float], hop: float) -> None:
    with connect(address, compression=None) as socket:
        for text in socket:
            now = time.perf_counter()
            message = protocol.decode(text)
            if isinstance(message, protocol.Emotion) and not message.is_final:
                taken.append(now - written[round(message.end / hop)])


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1e3
