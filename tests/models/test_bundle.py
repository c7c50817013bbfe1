from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from tiny_bundles import metadata, tiny_model

from stream_ser.features import MfccSettings
from stream_ser.models.bundle import BundleError, decode_metadata, load_bundle
from stream_ser.models.providers import CPU

pytestmark = pytest.mark.unit

FEATURES = MfccSettings()


def refusal(file: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load_bundle(file, FEATURES, [CPU])
    message = str(caught.value)
    assert str(file) in message
    assert "\n" not in message
    return message


def test_what_a_bundle_says_about_itself_is_read_back(bundles: Path) -> None:
    bundle = load_bundle(bundles / "lstm.onnx", FEATURES, [CPU])
    assert bundle.metadata == metadata("lstm")
    assert bundle.provider == CPU


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "no model at" in refusal(tmp_path / "lstm.onnx")


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.95])
def test_a_truncated_file_is_refused(bundles: Path, kept: float) -> None:
    file = bundles / "lstm.onnx"
    whole = file.read_bytes()
    file.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else int(kept)])
    assert "cannot be loaded" in refusal(file) or "no stream-ser bundle" in refusal(file)


def test_a_model_of_other_features_is_refused(bundles: Path) -> None:
    other = metadata("lstm", replace(FEATURES, preemphasis=0.95))
    (bundles / "lstm.onnx").write_bytes(tiny_model(other.encode()).SerializeToString())
    message = refusal(bundles / "lstm.onnx")
    assert other.features.fingerprint() in message
    assert FEATURES.fingerprint() in message


def test_any_onnx_file_is_not_a_bundle(bundles: Path) -> None:
    (bundles / "lstm.onnx").write_bytes(tiny_model({}).SerializeToString())
    assert "is not a stream-ser bundle" in refusal(bundles / "lstm.onnx")


@pytest.mark.parametrize("name", sorted(set(metadata("lstm").encode()) - {"stream_ser.format", "stream_ser.features_hash"}))
def test_incomplete_metadata_is_refused(name: str) -> None:
    properties = metadata("lstm").encode()
    del properties[name]
    with pytest.raises(BundleError, match="broken metadata"):
        decode_metadata(properties, Path("lstm.onnx"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("fusion_temperature", value) for value in ("0", "-1", "nan", "inf", "warm")),
        *(("threshold", value) for value in ("-0.1", "1", "nan", "low")),
    ],
)
def test_facts_out_of_range_are_refused(name: str, value: str) -> None:
    with pytest.raises(BundleError, match=rf"broken metadata \(.*{value}"):
        decode_metadata({**metadata("lstm").encode(), f"stream_ser.{name}": value}, Path("lstm.onnx"))


def test_labels_must_match_the_probabilities(bundles: Path) -> None:
    few = metadata("lstm", labels=("calm", "angry"))
    (bundles / "lstm.onnx").write_bytes(tiny_model(few.encode()).SerializeToString())
    assert "8 probabilities for 2 labels" in refusal(bundles / "lstm.onnx")


def test_inputs_must_be_those_of_a_bundle(bundles: Path) -> None:
    model = tiny_model(metadata("lstm").encode())
    model.graph.input[0].name = "waveform"
    model.graph.node[0].input[0] = "waveform"
    (bundles / "lstm.onnx").write_bytes(model.SerializeToString())
    assert "it needs length, mfcc -> probabilities" in refusal(bundles / "lstm.onnx")


def test_the_metadata_survives_the_file(tmp_path: Path) -> None:
    onnx.save(tiny_model(metadata("mlp").encode()), str(tmp_path / "mlp.onnx"))
    session = load_bundle(tmp_path / "mlp.onnx", FEATURES, [CPU]).session
    window = np.zeros((1, 40, FEATURES.coefficients), np.float32)
    (answer,) = session.run(None, {"mfcc": window, "length": np.array([40], np.int32)})
    np.testing.assert_allclose(answer, 1 / 8, rtol=1e-6)
