from __future__ import annotations

import ctypes.util
import re
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import pytest
from tiny_bundles import EMOTIONS, metadata, tiny_model

from stream_ser.features import MfccSettings
from stream_ser.models.bundle import BUNDLED, MODELS, BundleError, load_bundle
from stream_ser.models.classifier import PARALLEL_WINDOWS, ModelInput, load_classifier
from stream_ser.models.decision import Probabilities
from stream_ser.models.providers import CPU, CUDA, ProviderChoice, ProviderError
from stream_ser.models.window import Frames, Window

pytestmark = pytest.mark.unit

FEATURES = MfccSettings()
RNG = np.random.default_rng(0)
LSTM, MLP = (MODELS.index(name) for name in ("lstm", "mlp"))
DRIVER = ctypes.util.find_library("cuda") is not None
CUDNN = any(distributions(name="nvidia-cudnn-cu13")) or ctypes.util.find_library("cudnn") is not None
"""Of the ``[gpu]`` extra, or of the system."""


def frames(count: int) -> Frames:
    return (10 * RNG.standard_normal((count, FEATURES.coefficients)) - 5).astype(np.float32)


def asked(row: int, frames: Frames, *, begins: bool = True, after: int = 0) -> ModelInput:
    """A window of all the frames, of which those from ``after`` on are new."""
    last_new = len(frames) // 4 * 4
    window = Window(0, len(frames), after, last_new, 0, 16_000, begins, is_final=False)
    return ModelInput(row, window, frames, frames[after:last_new])


@pytest.mark.parametrize("count", [7, PARALLEL_WINDOWS + 3], ids=["one by one", "beside each other"])
def test_the_bundled_models_answer_a_batch_as_they_answer_each_window(count: int) -> None:
    classifier = load_classifier(None, FEATURES, ProviderChoice.CPU, 3.0)
    inputs = [asked(row, frames(int(RNG.integers(35, 300)))) for row in RNG.permutation(count)]
    together = classifier.classify(classifier.new_state(count), inputs)
    assert together.shape == (count, len(MODELS), len(EMOTIONS))
    np.testing.assert_allclose(together.sum(axis=2), 1.0, atol=1e-5)
    for one, answers in zip(inputs, together, strict=True):
        (alone,) = classifier.classify(classifier.new_state(count), [one])
        np.testing.assert_allclose(answers, alone, atol=1e-5)


def test_the_bundled_lstm_in_steps_answers_as_the_bundled_lstm_does() -> None:
    classifier, seen = load_classifier(None, FEATURES, ProviderChoice.CPU, 3.0), frames(240)
    windowed = load_bundle(BUNDLED / "lstm.onnx", FEATURES, [CPU]).session
    state = classifier.new_state(2)
    for after, end in ((0, 36), (36, 44), (44, 57), (56, 58), (56, 240)):
        (answers,) = classifier.classify(state, [asked(1, seen[:end], begins=not after, after=after)])
        (expected,) = windowed.run(None, {"mfcc": seen[None, :end], "length": np.array([end], np.int32)})
        np.testing.assert_allclose(answers[LSTM], expected[0], atol=1e-4)


def test_the_mlp_runs_again_when_enough_is_new_and_at_the_end(bundles: Path) -> None:
    classifier, seen = load_classifier(bundles, FEATURES, ProviderChoice.CPU, 3.0), frames(120)
    state = classifier.new_state(1)

    def answer(end: int, *, begins: bool = False, is_final: bool = False) -> Probabilities:
        window = Window(0, end, end, end, 0, 16_000, begins, is_final)
        (answers,) = classifier.classify(state, [ModelInput(0, window, seen[:end], seen[:0])])
        return np.asarray(answers[MLP])

    first = answer(40, begins=True)
    np.testing.assert_array_equal(answer(69), first)
    second = answer(70)
    assert not np.array_equal(second, first)
    np.testing.assert_array_equal(answer(80), second)
    assert not np.array_equal(answer(81, is_final=True), second)
    assert not np.array_equal(answer(50, begins=True), second)


def test_an_utterance_begins_with_nothing_remembered(bundles: Path) -> None:
    classifier = load_classifier(bundles, FEATURES, ProviderChoice.CPU, 3.0)
    used, second = classifier.new_state(1), asked(0, frames(48))
    classifier.classify(used, [asked(0, frames(60))])
    np.testing.assert_array_equal(classifier.classify(used, [second]), classifier.classify(classifier.new_state(1), [second]))


def test_the_bundled_models_know_the_emotions() -> None:
    assert load_classifier(None, FEATURES, ProviderChoice.CPU, 3.0).labels == EMOTIONS


def test_no_windows_no_answers(bundles: Path) -> None:
    classifier = load_classifier(bundles, FEATURES, ProviderChoice.CPU, 3.0)
    assert len(classifier.classify(classifier.new_state(1), [])) == 0


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
    @pytest.mark.parametrize("count", [1, 7, PARALLEL_WINDOWS + 3])
    def test_cuda_answers_as_the_cpu_does(self, count: int) -> None:
        on_cpu, on_cuda = (load_classifier(None, FEATURES, choice, 3.0) for choice in (ProviderChoice.CPU, ProviderChoice.CUDA))
        assert on_cuda.provider == CUDA
        streams, cpu_state, cuda_state = [frames(120) for _ in range(count)], on_cpu.new_state(count), on_cuda.new_state(count)
        for after, end in ((0, 60), (60, 72), (72, 120)):
            inputs = [asked(row, seen[:end], begins=not after, after=after) for row, seen in enumerate(streams)]
            expected, found = on_cpu.classify(cpu_state, inputs), on_cuda.classify(cuda_state, inputs)
            np.testing.assert_allclose(found, expected, atol=2e-3)  # products in TF32 there

    def test_auto_measures_both_and_says_so(self) -> None:
        reason = load_classifier(None, FEATURES, ProviderChoice.AUTO, 3.0).reason
        assert re.fullmatch(r"measured at start: CUDA [\d.]+ ms, CPU [\d.]+ ms a hop", reason)
