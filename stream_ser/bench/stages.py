"""Each stage of a hop of one stream that speaks, measured by itself."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream_ser import protocol
from stream_ser.bench import timing
from stream_ser.bench.speech import Samples, speech
from stream_ser.bench.timing import Spread, time_each
from stream_ser.core.backend import NumpyBackend
from stream_ser.core.offline import recognize
from stream_ser.events import Emotion
from stream_ser.features import StreamingMfcc
from stream_ser.models.classifier import Classifier, ModelInput, ModelState
from stream_ser.models.decision import Decision, fuse
from stream_ser.speech.detector import VoiceActivity

_FIRST_ROW = np.zeros(1, np.intp)

Answer = NDArray[np.float32]
"""``[model, emotion]``."""


def stages(classifier: Classifier, hop: float) -> dict[str, Spread]:
    """Time of each stage, by name; all on the same speech."""
    sample_rate = classifier.features.sample_rate
    signal = speech((timing.HOPS + timing.WARM_UP_HOPS) * hop, sample_rate)
    hops = np.split(signal, len(signal) // round(hop * sample_rate))
    models, answers = _models(classifier, signal, hop)
    return {
        "voice activity": _voice_activity(hops),
        "MFCC": _mfcc(classifier, hops),
        "models": models,
        "decision": _decision(classifier, hop, answers),
        "message": _message(classifier.labels, len(hops)),
    }


def _voice_activity(hops: list[Samples]) -> Spread:
    detector = VoiceActivity()
    state = detector.new_state(1)
    return time_each(lambda hop: detector.process(state, _FIRST_ROW, hop[None]), hops)


def _mfcc(classifier: Classifier, hops: list[Samples]) -> Spread:
    extractor = StreamingMfcc(classifier.features)
    state = extractor.new_state(1)
    return time_each(lambda hop: extractor.process(state, _FIRST_ROW, hop[None]), hops)


def _models(classifier: Classifier, signal: Samples, hop: float) -> tuple[Spread, list[Answer]]:
    """Time of the models within a real run, and what they answer."""
    timed = _TimedModels(classifier)
    recognize(NumpyBackend(classifier.features, timed, classifier.window), signal, hop)
    return timed.spread, timed.answers


class _TimedModels:
    """Models that time themselves."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self.facts, self.new_state = classifier.facts, classifier.new_state
        self._seconds: list[float] = []
        self.answers: list[Answer] = []

    @property
    def spread(self) -> Spread:
        return Spread.of(self._seconds[timing.WARM_UP_HOPS :])

    def classify(self, state: ModelState, inputs: Sequence[ModelInput]) -> NDArray[np.float32]:
        start = time.perf_counter()
        answers = self._classifier.classify(state, inputs)
        self._seconds.append(time.perf_counter() - start)
        self.answers.extend(answers)
        return answers


def _decision(classifier: Classifier, hop: float, answers: list[Answer]) -> Spread:
    facts = classifier.facts
    decision = Decision(facts.labels, hop, facts.threshold)
    return time_each(lambda answer: decision.interim(fuse(list(answer), facts.fusion_temperature)), answers)


def _message(labels: tuple[str, ...], count: int) -> Spread:
    uniform = dict.fromkeys(labels, 1.0 / len(labels))
    event = Emotion(0.0, 1.0, labels[0], uniform, {"lstm": uniform, "mlp": uniform}, is_final=False)
    return time_each(lambda one: protocol.encode(protocol.of_event(one)).with_seq(1), [event] * count)
