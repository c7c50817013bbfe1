"""A bundle: one ONNX file that states what it needs and what it is, in its own metadata."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stream_ser.errors import UserError
from stream_ser.features import MfccSettings
from stream_ser.models.runtime import ort

MODELS = ("lstm", "mlp")
"""The models of a bundle folder, each ``NAME.onnx``."""

STEPPED = "lstm-step"
"""The LSTM once more, as a recurrence: it takes the frames of a hop and the state of a stream."""

LIVE = ("mlp", STEPPED)
"""The models that listening runs; the windowed LSTM is what the stepping one is measured by."""

FILES = tuple(f"{name}.onnx" for name in (*MODELS, STEPPED))
"""What a bundle folder holds."""

BUNDLED = Path(__file__).parent / "bundled"
"""The models that ship with the package."""

FORMAT = "2"
_PREFIX = "stream_ser."

_Signature = tuple[set[str], set[str]]
"""Inputs and outputs."""

_SEES_WINDOWS: _Signature = {"mfcc", "length"}, {"probabilities"}
_STEPS: _Signature = {"mfcc", "state", "window"}, {"probabilities", "next_state"}


class BundleError(UserError):
    """A bundle that cannot be used; the message names the file, what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a bundle states about itself."""

    name: str
    version: str
    labels: tuple[str, ...]
    features: MfccSettings
    training: Mapping[str, Any]
    """Data set, clips, recipe, seed."""
    metrics: Mapping[str, Any]
    """Held-out results of the recipe; never of this very model on what it was trained on."""
    licence: str
    fusion_temperature: float
    """What the logits of the fused models are divided by, above 0; every bundle of a folder holds the same."""
    threshold: float
    """Fused probability, in [0, 1), below which a label is ``uncertain``."""
    step: int = 1
    """Frames that the model takes at a time: it wants a multiple of them."""

    def encode(self) -> dict[str, str]:
        """As ONNX metadata properties."""
        return {
            _PREFIX + "format": FORMAT,
            _PREFIX + "name": self.name,
            _PREFIX + "version": self.version,
            _PREFIX + "labels": json.dumps(self.labels),
            _PREFIX + "features": json.dumps(asdict(self.features)),
            _PREFIX + "features_hash": self.features.fingerprint(),
            _PREFIX + "training": json.dumps(dict(self.training)),
            _PREFIX + "metrics": json.dumps(dict(self.metrics)),
            _PREFIX + "licence": self.licence,
            _PREFIX + "fusion_temperature": str(self.fusion_temperature),
            _PREFIX + "threshold": str(self.threshold),
            _PREFIX + "step": str(self.step),
        }


def decode_metadata(properties: Mapping[str, str], file: Path) -> Metadata:
    """Read what :meth:`Metadata.encode` wrote.

    Raises:
        BundleError: a property is missing, malformed, or of another format.
    """
    if properties.get(_PREFIX + "format") != FORMAT:
        raise BundleError(f"{file} is not a stream-ser bundle of format {FORMAT}; train one with: stream-ser train")
    try:
        return Metadata(
            name=properties[_PREFIX + "name"],
            version=properties[_PREFIX + "version"],
            labels=tuple(json.loads(properties[_PREFIX + "labels"])),
            features=MfccSettings(**json.loads(properties[_PREFIX + "features"])),
            training=json.loads(properties[_PREFIX + "training"]),
            metrics=json.loads(properties[_PREFIX + "metrics"]),
            licence=properties[_PREFIX + "licence"],
            fusion_temperature=_in_range(properties, "fusion_temperature", math.nextafter(0.0, 1.0), math.inf),
            threshold=_in_range(properties, "threshold", 0.0, 1.0),
            step=int(properties[_PREFIX + "step"]),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise BundleError(f"{file} has broken metadata ({error}); train it again with: stream-ser train") from error


def _in_range(properties: Mapping[str, str], name: str, low: float, high: float) -> float:
    """A property that is a number in [``low``, ``high``).

    Raises:
        KeyError: it is missing.
        ValueError: it is no such number.
    """
    value = float(properties[_PREFIX + name])
    if not low <= value < high:
        raise ValueError(f"{name} is {value}")
    return value


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified model, ready to run."""

    metadata: Metadata
    session: ort.InferenceSession

    @property
    def provider(self) -> str:
        """The execution provider that runs, as the session itself reports it."""
        return str(self.session.get_providers()[0])


def load_bundle(file: Path, features: MfccSettings, providers: list[str]) -> Bundle:
    """Open and verify one ONNX file.

    Raises:
        BundleError: the file is missing, damaged, no bundle, or was trained on other features than ``features``.
    """
    if not file.is_file():
        raise BundleError(f"no model at {file}; --models needs a folder with {', '.join(FILES)}, as stream-ser train writes it")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(str(file), options, providers=providers)
    except Exception as error:  # onnxruntime raises a different class for each way of being damaged
        reason = str(error).splitlines()[0]
        raise BundleError(f"{file} cannot be loaded: {reason}; copy it again or train it again") from error
    metadata = decode_metadata(session.get_modelmeta().custom_metadata_map, file)
    if metadata.features.fingerprint() != features.fingerprint():
        raise BundleError(
            f"{file} was trained on other features ({metadata.features.fingerprint()}) than this version computes"
            f" ({features.fingerprint()}); train it again with this version"
        )
    _verify_shape(session, metadata, file)
    return Bundle(metadata, session)


def _verify_shape(session: ort.InferenceSession, metadata: Metadata, file: Path) -> None:
    outputs = {node.name: node for node in session.get_outputs()}
    found = {node.name for node in session.get_inputs()}, set(outputs)
    needed = _STEPS if metadata.name == STEPPED else _SEES_WINDOWS
    if found != needed:
        raise BundleError(f"{file} has the inputs and outputs {_listed(found)}; it needs {_listed(needed)}; train it again")
    emotions = outputs["probabilities"].shape[-1]
    if emotions != len(metadata.labels):
        raise BundleError(f"{file} answers {emotions} probabilities for {len(metadata.labels)} labels; train it again")


def _listed(signature: _Signature) -> str:
    inputs, outputs = (", ".join(sorted(names)) for names in signature)
    return f"{inputs} -> {outputs}"
