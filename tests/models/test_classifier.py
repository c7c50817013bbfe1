from __future__ import annotations

import ctypes.util
from pathlib import Path

import numpy as np
import pytest
from tiny_bundles import metadata, tiny_model

from stream_ser.events import EMOTIONS
from stream_ser.features import MfccSettings
from stream_ser.models.bundle import MODELS, BundleError
from stream_ser.models.classifier import load_classifier
from stream_ser.models.provider import CPU, ProviderChoice, ProviderError

FEATURES = MfccSettings()


def windows(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        (10 * rng.standard_normal((rng.integers(35, 300), FEATURES.coefficients)) - 5).astype(np.float32) for _ in range(count)
    ]


def test_the_bundled_models_answer_a_batch_as_they_answer_each_window() -> None:
    classifier = load_classifier(None, FEATURES, ProviderChoice.CPU, 3.0)
    asked = windows(7)
    together = classifier.classify(asked)
    for window, answers in zip(asked, together, strict=True):
        (alone,) = classifier.classify([window])
        assert set(answers) == set(MODELS)
        for name in MODELS:
            np.testing.assert_allclose(answers[name], alone[name], atol=1e-5)
            assert answers[name].sum() == pytest.approx(1.0, abs=1e-5)


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


@pytest.mark.skipif(ctypes.util.find_library("cuda") is not None, reason="this machine has an NVIDIA driver")
class TestWithoutDriver:
    def test_cuda_is_refused_with_the_reason(self, bundles: Path) -> None:
        with pytest.raises(ProviderError, match="no NVIDIA driver"):
            load_classifier(bundles, FEATURES, ProviderChoice.CUDA, 3.0)

    def test_auto_falls_back_and_says_why(self, bundles: Path) -> None:
        classifier = load_classifier(bundles, FEATURES, ProviderChoice.AUTO, 3.0)
        assert classifier.provider == CPU
        assert "no NVIDIA driver" in classifier.reason
