"""Each stage of a hop of one stream that speaks, by itself: what :class:`~stream_ser.core.engine.Engine` does in one step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_ser import protocol
from stream_ser.bench import timing
from stream_ser.bench.speech import Samples, speech
from stream_ser.bench.timing import Spread, time_each
from stream_ser.core.engine import Engine
from stream_ser.core.recognizer import Recognizer, windows
from stream_ser.events import Emotion
from stream_ser.features import MfccSettings, StreamingMfcc
from stream_ser.models.decision import Decision, DecisionSettings, fuse
from stream_ser.speech.detector import VoiceActivity


def stages(engine: Engine) -> dict[str, Spread]:
    """Time of each stage, by name; all on the same speech."""
    signal = speech((timing.HOPS + timing.WARM_UP_HOPS) * engine.hop, engine.sample_rate)
    hops = np.split(signal, len(signal) // round(engine.hop * engine.sample_rate))
    probabilities = list[dict[str, NDArray[np.float32]]]()
    return {
        "voice activity": _voice_activity(hops),
        "MFCC": _mfcc(hops),
        "models": _models(engine, signal, probabilities),
        "decision": _decision(engine, probabilities),
        "message": _message(engine.classifier.labels, len(hops)),
    }


def _voice_activity(hops: list[Samples]) -> Spread:
    return time_each(VoiceActivity().push, hops)


def _mfcc(hops: list[Samples]) -> Spread:
    return time_each(StreamingMfcc(MfccSettings()).push, hops)


def _models(engine: Engine, signal: Samples, probabilities: list[dict[str, NDArray[np.float32]]]) -> Spread:
    """Classify each window; also collects what the models return."""
    classifier, state = engine.classifier, engine.classifier.new_state()
    requests = windows(Recognizer(MfccSettings(), engine.hop, engine.window, step=classifier.step), signal)
    return time_each(lambda window: probabilities.extend(classifier.classify([(window, state)])), requests)


def _decision(engine: Engine, probabilities: list[dict[str, NDArray[np.float32]]]) -> Spread:
    decision = Decision(engine.classifier.labels, engine.hop, DecisionSettings())
    return time_each(lambda by_model: decision.interim(fuse(list(by_model.values()))), probabilities)


def _message(labels: tuple[str, ...], count: int) -> Spread:
    uniform = dict.fromkeys(labels, 1.0 / len(labels))
    event = Emotion(0.0, 1.0, labels[0], uniform, {"lstm": uniform, "mlp": uniform}, is_final=False)
    return time_each(lambda one: protocol.encode(protocol.of_event(one)).with_seq(1), [event] * count)
