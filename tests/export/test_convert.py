from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from stream_ser_export import convert
from stream_ser_export.convert import STEPPING_TOLERANCE, TOLERANCE, ParityError, export_bundle, export_stepping
from stream_ser_train.fitting.bundling import with_calibration
from stream_ser_train.fitting.recipe import FULL
from stream_ser_train.networks.architectures import LstmSettings, MlpSettings, Scale, build, with_softmax
from stream_ser_train.networks.stepping import SteppingLstm
from tiny_bundles import metadata

from stream_ser.features import MfccSettings
from stream_ser.models.bundle import BUNDLED, MODELS, STEPPED, load_bundle
from stream_ser.models.providers import CPU
from stream_ser.models.runtime import ort

pytestmark = pytest.mark.training

RNG = np.random.default_rng(0)
COEFFICIENTS = MfccSettings().coefficients
LSTM = LstmSettings()
NETWORKS: dict[str, LstmSettings | MlpSettings] = {"lstm": LSTM, "mlp": MlpSettings()}
SCALE = Scale(RNG.standard_normal(COEFFICIENTS), RNG.uniform(0.5, 20.0, COEFFICIENTS))
LENGTHS = np.array([300, 150, 41, 36], np.int32)
WINDOWS = (10 * RNG.standard_normal((4, 300, COEFFICIENTS))).astype(np.float32)


def operators(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node} | {
        inner.op_type
        for node in model.graph.node
        for attribute in node.attribute
        for inner in attribute.g.node
    }  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_keras_and_onnx_agree(tmp_path: Path, name: str) -> None:
    model = with_softmax(build(COEFFICIENTS, SCALE, NETWORKS[name]))
    difference = export_bundle(model, metadata(name), WINDOWS, LENGTHS, tmp_path / f"{name}.onnx")
    assert difference <= TOLERANCE
    assert [file.name for file in tmp_path.iterdir()] == [f"{name}.onnx"]
    bundle = load_bundle(tmp_path / f"{name}.onnx", MfccSettings(), [CPU])
    assert bundle.metadata == metadata(name)


def test_a_temperature_is_in_the_graph(tmp_path: Path) -> None:
    model, feed = build(COEFFICIENTS, SCALE, MlpSettings()), {"mfcc": WINDOWS, "length": LENGTHS}
    logits = []
    for temperature in (1.0, 2.5):
        file = tmp_path / f"{temperature}.onnx"
        export_bundle(with_softmax(model, temperature), metadata("mlp"), WINDOWS, LENGTHS, file)
        (probabilities,) = load_bundle(file, MfccSettings(), [CPU]).session.run(None, feed)
        logits.append(np.log(probabilities))
    sharp, soft = (rows - rows[:, :1] for rows in logits)
    np.testing.assert_allclose(soft, sharp / 2.5, atol=1e-3)


def test_the_lstm_is_one_node_and_no_loop(tmp_path: Path) -> None:
    export_bundle(
        with_softmax(build(COEFFICIENTS, SCALE, LstmSettings())), metadata("lstm"), WINDOWS, LENGTHS, tmp_path / "lstm.onnx"
    )
    found = operators(onnx.load(str(tmp_path / "lstm.onnx")))
    assert "LSTM" in found
    assert not found & {"Loop", "Scan", "If"}


def test_the_stepping_lstm_matches_the_windowed_one(tmp_path: Path) -> None:
    network, priors, file = build(COEFFICIENTS, SCALE, LSTM), np.ones(8), tmp_path / "lstm-step.onnx"
    stepping = metadata(STEPPED, step=LSTM.stack)
    windowed = with_calibration(network, 0.8, priors)
    difference = export_stepping(SteppingLstm([network], LSTM, 0.8, priors), windowed, stepping, WINDOWS, LENGTHS, file)
    assert difference <= STEPPING_TOLERANCE
    assert load_bundle(file, MfccSettings(), [CPU]).metadata == stepping
    found = operators(onnx.load(str(file)))
    assert "LSTM" in found
    assert not found & {"Loop", "Scan", "If"}


def test_a_stepping_model_that_differs_is_not_exported(tmp_path: Path) -> None:
    network, other = build(COEFFICIENTS, SCALE, LSTM), build(COEFFICIENTS, SCALE, LSTM)
    stepping = SteppingLstm([other], LSTM, 1.0, np.ones(8))
    with pytest.raises(ParityError, match="nothing was exported"):
        export_stepping(
            stepping, with_softmax(network), metadata(STEPPED, step=LSTM.stack), WINDOWS, LENGTHS, tmp_path / "lstm-step.onnx"
        )
    assert list(tmp_path.iterdir()) == []


def test_models_that_disagree_are_not_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "TOLERANCE", 0.0)
    with pytest.raises(ParityError, match="nothing was exported"):
        export_bundle(
            with_softmax(build(COEFFICIENTS, SCALE, LstmSettings())), metadata("lstm"), WINDOWS, LENGTHS, tmp_path / "lstm.onnx"
        )
    assert list(tmp_path.iterdir()) == []


def test_probabilities_that_are_not_finite_are_not_exported(tmp_path: Path) -> None:
    broken = Scale(np.zeros(COEFFICIENTS), np.full(COEFFICIENTS, np.nan))
    with pytest.raises(ParityError):
        export_bundle(
            with_softmax(build(COEFFICIENTS, broken, MlpSettings())), metadata("mlp"), WINDOWS, LENGTHS, tmp_path / "mlp.onnx"
        )


@pytest.mark.parametrize("name", MODELS)
def test_the_bundled_models_are_as_an_export_makes_them(name: str) -> None:
    model = onnx.load(str(BUNDLED / f"{name}.onnx"))
    assert [node.name for node in model.graph.input] == ["mfcc", "length"]
    assert [node.name for node in model.graph.output] == ["probabilities"]
    assert ("LSTM" in operators(model)) == (name == "lstm")
    assert "Loop" not in operators(model)
    found = load_bundle(BUNDLED / f"{name}.onnx", MfccSettings(), [CPU]).metadata
    assert found.training["corpus"] == {"clips": 1440, "speakers": 24, "doubled": 0}
    assert 0.3 < found.metrics["uar"] < 1.0
    assert "CC BY-NC-SA" in found.licence
    assert (found.fusion_temperature, found.threshold) == (FULL.fusion_temperature, FULL.threshold)


def test_a_window_may_have_any_length_from_one_step_on() -> None:
    for name in MODELS:
        session = ort.InferenceSession(str(BUNDLED / f"{name}.onnx"), providers=[CPU])
        for length in (LstmSettings().stack, 35, 299, 1000):
            window = np.zeros((1, length, COEFFICIENTS), np.float32)
            (probabilities,) = session.run(None, {"mfcc": window, "length": np.array([length], np.int32)})
            assert probabilities.sum() == pytest.approx(1.0, abs=1e-5)
