from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from stream_ser_export import convert
from stream_ser_export.convert import STEPPED_TOLERANCE, TOLERANCE, ParityError, export_bundle, export_stepped
from stream_ser_train.networks.architectures import LstmSettings, MlpSettings, Scale, answering, build
from stream_ser_train.networks.bundling import calibrated
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
    model = answering(build(COEFFICIENTS, SCALE, NETWORKS[name]))
    difference = export_bundle(model, metadata(name), WINDOWS, LENGTHS, tmp_path / f"{name}.onnx")
    assert difference <= TOLERANCE
    assert [file.name for file in tmp_path.iterdir()] == [f"{name}.onnx"]
    bundle = load_bundle(tmp_path / f"{name}.onnx", MfccSettings(), [CPU])
    assert bundle.metadata == metadata(name)


def test_a_temperature_is_in_the_graph(tmp_path: Path) -> None:
    model, feed = build(COEFFICIENTS, SCALE, MlpSettings()), {"mfcc": WINDOWS, "length": LENGTHS}
    answers = []
    for temperature in (1.0, 2.5):
        file = tmp_path / f"{temperature}.onnx"
        export_bundle(answering(model, temperature), metadata("mlp"), WINDOWS, LENGTHS, file)
        (answer,) = load_bundle(file, MfccSettings(), [CPU]).session.run(None, feed)
        answers.append(np.log(answer))
    sharp, soft = (answer - answer[:, :1] for answer in answers)
    np.testing.assert_allclose(soft, sharp / 2.5, atol=1e-3)


def test_the_lstm_is_one_node_and_no_loop(tmp_path: Path) -> None:
    export_bundle(
        answering(build(COEFFICIENTS, SCALE, LstmSettings())), metadata("lstm"), WINDOWS, LENGTHS, tmp_path / "lstm.onnx"
    )
    found = operators(onnx.load(str(tmp_path / "lstm.onnx")))
    assert "LSTM" in found
    assert not found & {"Loop", "Scan", "If"}


def test_the_lstm_in_steps_answers_as_the_window_does(tmp_path: Path) -> None:
    network, trained, file = build(COEFFICIENTS, SCALE, LSTM), np.full(8, 0.125), tmp_path / "lstm-step.onnx"
    described = metadata(STEPPED, step=LSTM.stack)
    windowed = calibrated(network, 0.8, trained)
    difference = export_stepped(SteppingLstm([network], LSTM, 0.8, trained), windowed, described, WINDOWS, LENGTHS, file)
    assert difference <= STEPPED_TOLERANCE
    assert load_bundle(file, MfccSettings(), [CPU]).metadata == described
    found = operators(onnx.load(str(file)))
    assert "LSTM" in found
    assert not found & {"Loop", "Scan", "If"}


def test_steps_that_answer_otherwise_are_not_exported(tmp_path: Path) -> None:
    network, other = build(COEFFICIENTS, SCALE, LSTM), build(COEFFICIENTS, SCALE, LSTM)
    stepping = SteppingLstm([other], LSTM, 1.0, np.full(8, 0.125))
    with pytest.raises(ParityError, match="nothing was exported"):
        export_stepped(
            stepping, answering(network), metadata(STEPPED, step=LSTM.stack), WINDOWS, LENGTHS, tmp_path / "lstm-step.onnx"
        )
    assert list(tmp_path.iterdir()) == []


def test_models_that_disagree_are_not_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "TOLERANCE", 0.0)
    with pytest.raises(ParityError, match="nothing was exported"):
        export_bundle(
            answering(build(COEFFICIENTS, SCALE, LstmSettings())), metadata("lstm"), WINDOWS, LENGTHS, tmp_path / "lstm.onnx"
        )
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_is_no_number_is_not_exported(tmp_path: Path) -> None:
    broken = Scale(np.zeros(COEFFICIENTS), np.full(COEFFICIENTS, np.nan))
    with pytest.raises(ParityError):
        export_bundle(
            answering(build(COEFFICIENTS, broken, MlpSettings())), metadata("mlp"), WINDOWS, LENGTHS, tmp_path / "mlp.onnx"
        )


@pytest.mark.parametrize("name", MODELS)
def test_the_bundled_models_keep_what_an_export_promises(name: str) -> None:
    model = onnx.load(str(BUNDLED / f"{name}.onnx"))
    assert [node.name for node in model.graph.input] == ["mfcc", "length"]
    assert [node.name for node in model.graph.output] == ["probabilities"]
    assert ("LSTM" in operators(model)) == (name == "lstm")
    assert "Loop" not in operators(model)
    described = load_bundle(BUNDLED / f"{name}.onnx", MfccSettings(), [CPU]).metadata
    assert described.training["corpus"] == {"clips": 1440, "speakers": 24, "doubled": 0}
    assert 0.3 < described.metrics["uar"] < 1.0
    assert "CC BY-NC-SA" in described.licence


def test_a_window_of_any_length_from_one_step_on_is_answered() -> None:
    for name in MODELS:
        session = ort.InferenceSession(str(BUNDLED / f"{name}.onnx"), providers=[CPU])
        for length in (LstmSettings().stack, 35, 299, 1000):
            window = np.zeros((1, length, COEFFICIENTS), np.float32)
            (answer,) = session.run(None, {"mfcc": window, "length": np.array([length], np.int32)})
            assert answer.sum() == pytest.approx(1.0, abs=1e-5)
