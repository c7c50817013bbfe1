from __future__ import annotations

import ctypes.util
import re
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import pytest
from tiny_bundles import metadata, tiny_model

from stream_ser.events import EMOTIONS
from stream_ser.features import MfccSettings
from stream_ser.models.bundle import BUNDLED, MODELS, BundleError, load_bundle
from stream_ser.models.classifier import MANY, load_classifier
from stream_ser.models.decision import Probabilities
from stream_ser.models.providers import CPU, CUDA, ProviderChoice, ProviderError
from stream_ser.models.window import Frames, Window

pytestmark = pytest.mark.unit

FEATURES = MfccSettings()
RNG = np.random.default_rng(0)
DRIVER = ctypes.util.find_library("cuda") is not None
CUDNN = any(distributions(name="nvidia-cudnn-cu13")) or ctypes.util.find_library("cudnn") is not None
"""Of the ``[gpu]`` extra, or of the system."""


def frames(count: int) -> Frames:
    return (10 * RNG.standard_normal((count, FEATURES.coefficients)) - 5).astype(np.float32)


def window(seen: Frames, *, begins: bool = True, after: int = 0) -> Window:
    """All of what was seen, of which the frames from ``after`` on are new."""
    return Window(seen, seen[after : len(seen) // 4 * 4], 0, 0.0, 1.0, begins, is_final=False)


@pytest.mark.parametrize("count", [7, MANY + 3], ids=["one by one", "beside each other"])
def test_the_bundled_models_answer_a_batch_as_they_answer_each_window(count: int) -> None:
    classifier = load_classifier(None, FEATURES, ProviderChoice.CPU, 3.0)
    asked = [window(frames(int(RNG.integers(35, 300)))) for _ in range(count)]
    together = classifier.classify([(one, classifier.new_state()) for one in asked])
    for one, answers in zip(asked, together, strict=True):
        (alone,) = classifier.classify([(one, classifier.new_state())])
        assert set(answers) == set(MODELS)
        for name in MODELS:
            np.testing.assert_allclose(answers[name], alone[name], atol=1e-5)
            assert answers[name].sum() == pytest.approx(1.0, abs=1e-5)


def test_the_bundled_lstm_in_steps_answers_as_the_bundled_lstm_does() -> None:
    classifier, seen = load_classifier(None, FEATURES, ProviderChoice.CPU, 3.0), frames(240)
    windowed = load_bundle(BUNDLED / "lstm.onnx", FEATURES, [CPU]).session
    memory = classifier.new_state()
    for after, end in ((0, 36), (36, 44), (44, 57), (56, 58), (56, 240)):
        (answers,) = classifier.classify([(window(seen[:end], begins=not after, after=after), memory)])
        (expected,) = windowed.run(None, {"mfcc": seen[None, :end], "length": np.array([end], np.int32)})
        np.testing.assert_allclose(answers["lstm"], expected[0], atol=1e-4)


def test_the_mlp_looks_again_when_enough_is_new_and_at_the_end(bundles: Path) -> None:
    classifier, seen = load_classifier(bundles, FEATURES, ProviderChoice.CPU, 3.0), frames(120)
    memory = classifier.new_state()

    def answer(end: int, *, begins: bool = False, is_final: bool = False) -> Probabilities:
        one = Window(seen[:end], seen[:0], 0, 0.0, 1.0, begins, is_final)
        (answers,) = classifier.classify([(one, memory)])
        return answers["mlp"]

    first = answer(40, begins=True)
    np.testing.assert_array_equal(answer(69), first)
    second = answer(70)
    assert not np.array_equal(second, first)
    np.testing.assert_array_equal(answer(80), second)
    assert not np.array_equal(answer(81, is_final=True), second)
    assert not np.array_equal(answer(50, begins=True), second)


def test_an_utterance_begins_with_nothing_remembered(bundles: Path) -> None:
    classifier = load_classifier(bundles, FEATURES, ProviderChoice.CPU, 3.0)
    used, second = classifier.new_state(), window(frames(48))
    classifier.classify([(window(frames(60)), used)])
    (after,), (fresh,) = classifier.classify([(second, used)]), classifier.classify([(second, classifier.new_state())])
    np.testing.assert_array_equal(after["lstm"], fresh["lstm"])


def test_the_bundled_models_know_the_emotions() -> None:
    assert load_classifier(None, FEATURES, ProviderChoice.CPU, 3.0).labels == EMOTIONS


def test_no_windows_no_answers(bundles: Path) -> None:
    assert load_classifier(bundles, FEATURES, ProviderChoice.CPU, 3.0).classify([]) == []


def test_models_that_disagree_on_labels_are_refused(bundles: Path) -> None:
    other = metadata("mlp", labels=tuple(reversed(EMOTIONS)))
    (bundles / "mlp.onnx").write_bytes(tiny_model(other.encode()).SerializeToString())
    with pytest.raises(BundleError, match="disagree on labels"):
        load_classifier(bundles, FEATURES, ProviderChoice.CPU, 3.0)


def test_each_model_of_the_folder_must_be_there(bundles: Path) -> None:
    (bundles / "mlp.onnx").unlink()
    with pytest.raises(BundleError, match="no model at"):
        load_classifier(bundles, FEATURES, ProviderChoice.CPU, 3.0)


@pytest.mark.skipif(DRIVER, reason="this machine has an NVIDIA driver")
class TestWithoutDriver:
    def test_cuda_is_refused_with_the_reason(self, bundles: Path) -> None:
        with pytest.raises(ProviderError, match="no NVIDIA driver"):
            load_classifier(bundles, FEATURES, ProviderChoice.CUDA, 3.0)

    def test_auto_falls_back_and_says_why(self, bundles: Path) -> None:
        classifier = load_classifier(bundles, FEATURES, ProviderChoice.AUTO, 3.0)
        assert classifier.provider == CPU
        assert "no NVIDIA driver" in classifier.reason


@pytest.mark.skipif(not CUDNN, reason="cuDNN is not here: extra [gpu]")
@pytest.mark.skipif(not DRIVER, reason="this machine has no NVIDIA driver")
class TestWithDriver:
    @pytest.mark.parametrize("count", [1, 7, MANY + 3])
    def test_cuda_answers_as_the_cpu_does(self, count: int) -> None:
        on_cpu, on_cuda = (load_classifier(None, FEATURES, choice, 3.0) for choice in (ProviderChoice.CPU, ProviderChoice.CUDA))
        assert on_cuda.provider == CUDA
        streams = [(frames(120), on_cpu.new_state(), on_cuda.new_state()) for _ in range(count)]
        for after, end in ((0, 60), (60, 72), (72, 120)):
            hop = [window(seen[:end], begins=not after, after=after) for seen, _, _ in streams]
            expected = on_cpu.classify([(one, memory) for one, (_, memory, _) in zip(hop, streams, strict=True)])
            found = on_cuda.classify([(one, memory) for one, (_, _, memory) in zip(hop, streams, strict=True)])
            for one, other in zip(found, expected, strict=True):
                for name in MODELS:
                    np.testing.assert_allclose(one[name], other[name], atol=2e-3)  # products in TF32 there

    def test_auto_measures_both_and_says_so(self) -> None:
        reason = load_classifier(None, FEATURES, ProviderChoice.AUTO, 3.0).reason
        assert re.fullmatch(r"measured at start: CUDA [\d.]+ ms, CPU [\d.]+ ms a hop", reason)
