"""What a hop costs on this machine: each stage of it, its way to a client, many streams at once, start-up and memory."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from rich.console import Console
from websockets.sync.client import connect

from stream_ser import protocol
from stream_ser.audio.sources.file import DEMO
from stream_ser.bench.soak import PACE, Look, soak
from stream_ser.core.engine import Deliver, Engine, Stream, Worker
from stream_ser.core.recognizer import Recognizer, windows
from stream_ser.errors import UserError
from stream_ser.events import Emotion, Event
from stream_ser.features import MfccSettings, StreamingMfcc
from stream_ser.models.classifier import Classifier, load_classifier
from stream_ser.models.decision import Decision, DecisionSettings, fuse
from stream_ser.models.providers import ProviderChoice, ProviderError
from stream_ser.provenance import origin
from stream_ser.server.app import Server
from stream_ser.speech.detector import VoiceActivity
from stream_ser.speech.gate import SpeechGate

STREAMS = (1, 10, 50, 100, 200, 300, 400, 800, 1_600)
"""Numbers of streams that are tried."""

_HOPS = 200
_HOPS_OF_MANY = 25
_JOINING = 10
"""Hops over which many streams begin: people do not begin to speak at once."""

_WARM = 35 + _JOINING
"""Hops before measuring: by then utterances fill the window."""

_SETTLE_SECONDS = 2.0
"""After its readiness a process still finishes what it started with."""

_IDLE_SECONDS = 10.0
"""How long its processor time is then counted."""

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Spread:
    """Times in milliseconds."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        p50, p99 = 1e3 * np.percentile(seconds, (50, 99))
        return cls(round(float(p50), 3), round(float(p99), 3))


@dataclass(frozen=True, slots=True)
class Load:
    """A hop of ``n`` streams that all speak: its time, and what of one core it takes."""

    n: int
    time: Spread
    cpu_percent: float


@dataclass(frozen=True, slots=True)
class Process:
    """``stream-ser listen`` as a process: seconds to its readiness, its memory, and what of one core it takes in silence."""

    ready_s: float
    rss_mb: float
    idle_cpu_percent: float


def speech(seconds: float, rate: int) -> Samples:
    """Somebody who speaks without a pause: the longest utterance of the demo recording, again and again."""
    samples, _ = soundfile.read(DEMO, dtype="float32")
    gate = SpeechGate()
    changes = [change for sound in VoiceActivity().push(samples) if (change := gate.update(sound))]
    start, end = max(((one.start, one.end) for one in changes if one.end is not None), key=lambda span: span[1] - span[0])
    utterance = samples[start:end]
    return np.asarray(np.resize(utterance, round(seconds * rate)), np.float32)


def stages(classifier: Classifier, hop: float, window: float) -> dict[str, Spread]:
    """Each stage of a hop of one stream that speaks, measured by itself on the same speech."""
    features = MfccSettings()
    signal = speech((_HOPS + _WARM) * hop, features.sample_rate)
    pieces = np.split(signal, len(signal) // round(hop * features.sample_rate))
    detector, extractor = VoiceActivity(), StreamingMfcc(features)
    asked = windows(Recognizer(features, hop, window, step=classifier.step), signal)
    memory, answers = classifier.new_state(), list[dict[str, NDArray[np.float32]]]()
    decision = Decision(classifier.labels, hop, DecisionSettings())
    event = Emotion(0.0, 1.0, "calm", _named(classifier), {"lstm": _named(classifier), "mlp": _named(classifier)}, False)
    return {
        "voice activity": _time(detector.push, pieces),
        "MFCC": _time(extractor.push, pieces),
        "models": _time(lambda one: answers.extend(classifier.classify([(one, memory)])), asked),
        "decision": _time(lambda one: decision.interim(fuse(list(one.values()))), answers),
        "message": _time(lambda one: protocol.encode(protocol.of_event(one)).with_seq(1), [event] * len(pieces)),
    }


def many_streams(classifier: Classifier, hop: float, window: float, told: Callable[[Load], None]) -> list[Load]:
    """A hop of so many streams that all speak, for each of :data:`STREAMS`."""
    found: list[Load] = []
    for count in STREAMS:
        found.append(load(classifier, count, hop, window, _HOPS_OF_MANY))
        told(found[-1])
    return found


def to_a_client(classifier: Classifier, hop: float, window: float) -> Spread:
    """From the last sample of a hop entering the ring to its message at a client on this machine, at the pace of speech."""
    return asyncio.run(_to_a_client(classifier, hop, window))


def process(provider: ProviderChoice) -> Process:
    """Start ``stream-ser listen`` on a silent recording and look at it from outside.

    Raises:
        UserError: it did not start.
    """
    with tempfile.TemporaryDirectory() as folder:
        silence = Path(folder) / "silence.wav"
        soundfile.write(silence, np.zeros(30 * 16_000, np.int16), 16_000)
        began = time.perf_counter()
        command = [sys.executable, "-m", "stream_ser", "listen", "--port", "0"]
        command += ["--input", str(silence), "--provider", provider.value]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listen:
            assert listen.stdout is not None
            if not any(line.startswith("Connect to") for line in listen.stdout):
                raise UserError(f"stream-ser listen did not start (exit code {listen.wait()}); run it by itself to see why")
            ready = time.perf_counter() - began
            time.sleep(_SETTLE_SECONDS)
            before = _cpu_seconds(listen.pid)
            time.sleep(_IDLE_SECONDS)
            idle = 100.0 * (_cpu_seconds(listen.pid) - before) / _IDLE_SECONDS
            memory = resident_mb(listen.pid)
            listen.terminate()
    return Process(round(ready, 2), round(memory, 1), round(idle, 2))


def measure(choice: ProviderChoice, hop: float, window: float, console: Console) -> dict[str, Any]:
    """Everything, on one provider, told as it comes.

    Raises:
        ProviderError: the provider does not run.
    """
    classifier = load_classifier(None, MfccSettings(), choice, window)
    console.print(f"[bold]{classifier.provider}[/], a hop of {1e3 * hop:g} ms, a window of {window:g} s")

    def show(what: str, spread: Spread, more: str = "") -> None:
        console.print(f"  {what:<28}{spread.p50:>9.2f} ms, p99 {spread.p99:>8.2f} ms{more}", highlight=False)

    by_stage = stages(classifier, hop, window)
    for name, spread in by_stage.items():
        show(name, spread)
    alone = load(classifier, 1, hop, window, _HOPS).time
    show("all of a hop", alone)
    end_to_end = to_a_client(classifier, hop, window)
    show("from ring to client", end_to_end)
    curve = many_streams(
        classifier, hop, window, lambda one: show(f"{one.n} streams", one.time, f", {one.cpu_percent:.0f} % of a core")
    )
    in_time = max((one.n for one in curve if one.time.p99 < 1e3 * hop), default=0)
    outside = process(choice)
    console.print(
        f"  {in_time} streams in real time; ready in {outside.ready_s:g} s, {outside.rss_mb:g} MB,"
        f" {outside.idle_cpu_percent:g} % of a core in silence",
        highlight=False,
    )
    return {
        "provider": classifier.provider,
        "hop_ms": {**asdict(alone), "stages": {name: asdict(spread) for name, spread in by_stage.items()}},
        "end_to_end_ms": asdict(end_to_end),
        "streams": [
            {"n": one.n, "p50_ms": one.time.p50, "p99_ms": one.time.p99, "cpu_percent": one.cpu_percent} for one in curve
        ],
        "max_streams_realtime": in_time,
        **asdict(outside),
    }


def bench(choice: ProviderChoice, hop: float, window: float, file: Path | None, console: Console) -> None:
    """Measure a provider, or with ``auto`` each that runs here; write JSON to ``file``, of the others under ``others``.

    Raises:
        ProviderError: ``choice`` does not run.
    """
    if choice is ProviderChoice.AUTO:
        found = [measure(ProviderChoice.CPU, hop, window, console)]
        try:
            found.append(measure(ProviderChoice.CUDA, hop, window, console))
        except ProviderError as error:
            console.print(f"[bold]CUDA[/] is not measured: {error.reason}", highlight=False)
    else:
        found = [measure(choice, hop, window, console)]
    if file is not None:
        first, *others = found
        result = {**first, **origin("stream-ser bench"), "hop_s": hop, "window_s": window, "others": others}
        file.write_text(json.dumps(result, indent=2) + "\n")
        console.print(f"Results: {file}", soft_wrap=True, highlight=False)


def soak_for(hours: float, file: Path | None, console: Console) -> None:
    """Run the daemon for ``hours`` of audio, print how it is doing, write JSON to ``file``.

    Raises:
        UserError: the models cannot be used.
    """

    def show(look: Look) -> None:
        console.print(
            f"  {look.audio_h:6.2f} h   {look.rss_mb:6.1f} MB   {look.threads} threads   {look.descriptors} descriptors"
            f"   {look.drift_s:5.2f} s of audio behind",
            highlight=False,
        )

    console.print(f"{hours:g} hours of audio at {PACE:g} times the pace of speech:", highlight=False)
    result = {**soak(hours, show), **origin(f"stream-ser bench --soak {hours:g}")}
    console.print(
        f"  {result['messages']:.0f} messages to one client, {result['visits']:.0f} visits of another,"
        f" {result['lost_to_overload_s']:g} s of audio lost to overload",
        highlight=False,
    )
    if file is not None:
        file.write_text(json.dumps(result, indent=2) + "\n")
        console.print(f"Results: {file}", soft_wrap=True, highlight=False)


def _named(classifier: Classifier) -> dict[str, float]:
    return dict.fromkeys(classifier.labels, 1.0 / len(classifier.labels))


def _time(work: Callable[[Any], object], items: list[Any]) -> Spread:
    taken = []
    for item in items:
        start = time.perf_counter()
        work(item)
        taken.append(time.perf_counter() - start)
    return Spread.of(taken[_WARM:])


def load(classifier: Classifier, count: int, hop: float, window: float, hops: int) -> Load:
    """A hop of ``count`` streams that all speak: from samples in the rings to messages. They began within a second."""
    features = MfccSettings()
    engine, length = Engine(classifier), round(hop * features.sample_rate)

    def deliver(events: list[Event]) -> None:
        for event in events:
            protocol.encode(protocol.of_event(event))

    streams = [_open(engine, hop, window, deliver) for _ in range(count)]
    signal = speech(7.0, features.sample_rate)
    shifts = np.random.default_rng(0).integers(0, len(signal), count)
    taken, used = [], []
    for number in range(_WARM + hops):
        for order, (stream, shift) in enumerate(zip(streams, shifts, strict=True)):
            if number >= order % _JOINING:
                stream.ring.write(np.take(signal, np.arange(length) + shift + number * length, mode="wrap"))
        start, cpu = time.perf_counter(), time.process_time()
        engine.step()
        taken.append(time.perf_counter() - start)
        used.append(time.process_time() - cpu)
    return Load(count, Spread.of(taken[_WARM:]), round(100.0 * float(np.mean(used[_WARM:])) / hop, 1))


def _open(engine: Engine, hop: float, window: float, deliver: Deliver) -> Stream:
    features, classifier = MfccSettings(), engine.classifier
    recognizer = Recognizer(features, hop, window, classifier.labels, step=classifier.step)
    return engine.add(features.sample_rate, recognizer, deliver, lambda: None)


async def _to_a_client(classifier: Classifier, hop: float, window: float) -> Spread:
    loop, engine, connected = asyncio.get_running_loop(), Engine(classifier), asyncio.Event()

    def greet() -> list[protocol.ServerMessage]:
        connected.set()
        return []

    server = Server(greet)

    def publish(events: list[Event]) -> None:
        for event in events:
            server.publish(protocol.of_event(event))

    def deliver(events: list[Event]) -> None:
        loop.call_soon_threadsafe(publish, events)

    stream = _open(engine, hop, window, deliver)
    address = await server.start("127.0.0.1", 0)
    written: dict[int, float] = {}
    taken: list[float] = []
    failures: list[BaseException] = []
    worker = Worker(engine, failures.append)
    client = threading.Thread(target=_receive, args=(address, written, taken, hop))
    client.start()
    await connected.wait()
    worker.start()
    await asyncio.to_thread(_play, stream, hop, written)
    await asyncio.to_thread(worker.stop)
    await server.stop()
    await asyncio.to_thread(client.join)
    if failures:
        raise failures[0]
    return Spread.of(taken)


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


def resident_mb(pid: int) -> float:
    """Memory of a process, in millions of bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1e3


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
