"""How a session is run: on the CPU directly, on another device through buffers that are bound once and used again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stream_ser.models.runtime import ort

Feed = Mapping[str, NDArray[Any]]
"""Inputs by name."""

BINDINGS = 64
"""Sets of buffers at a time; the one not used for longest makes room."""


class Runner(Protocol):
    """Runs a session: inputs by name -> outputs, ``float32[batch, ...]`` each, in the order they were asked for."""

    def __call__(self, feed: Feed) -> Sequence[NDArray[np.float32]]: ...


class SessionRunner:
    """Hands arrays to the session and takes new ones from it."""

    def __init__(self, session: ort.InferenceSession, outputs: Sequence[str]) -> None:
        self._session, self._outputs = session, list(outputs)

    def __call__(self, feed: Feed) -> Sequence[NDArray[np.float32]]:
        answers: Sequence[NDArray[np.float32]] = self._session.run(self._outputs, feed)
        return answers


@dataclass(frozen=True, slots=True)
class _Buffers:
    """On the device, and bound to a session."""

    binding: Any
    inputs: dict[str, Any]
    outputs: list[Any]


class IoBindingRunner:
    """Copies inputs into buffers on the device and outputs out of them; allocates none in a hop that is like an earlier one.

    Batches are filled up to a power of two, so that few sets of buffers serve any number of streams.

    Args:
        session: its inputs have the batch as their first axis, or none.
        outputs: names; only the first axis of each may be open.
        device: as ONNX Runtime calls it, e.g. ``cuda``.
    """

    def __init__(self, session: ort.InferenceSession, outputs: Sequence[str], device: str) -> None:
        self._session, self._device = session, device
        found = {node.name: node.shape[1:] for node in session.get_outputs()}
        self._outputs = {name: tuple(found[name]) for name in outputs}
        self._buffers: OrderedDict[tuple[tuple[int, ...], ...], _Buffers] = OrderedDict()

    @property
    def bindings(self) -> int:
        """Sets of buffers there are."""
        return len(self._buffers)

    def __call__(self, feed: Feed) -> Sequence[NDArray[np.float32]]:
        batch = max(len(values) for values in feed.values() if values.ndim)
        rows = 1 << (batch - 1).bit_length()
        filled = {name: _fill(values, rows) for name, values in feed.items()}
        buffers = self._bound(filled, rows)
        for name, values in filled.items():
            buffers.inputs[name].update_inplace(values)
        self._session.run_with_iobinding(buffers.binding)
        # Copied, since on some devices they are views of what the next run overwrites.
        return [np.array(output.numpy()[:batch]) for output in buffers.outputs]

    def _bound(self, feed: Feed, rows: int) -> _Buffers:
        key = tuple(values.shape for values in feed.values())
        if key not in self._buffers:
            self._buffers[key] = self._bind(feed, rows)
            if len(self._buffers) > BINDINGS:
                self._buffers.popitem(last=False)
        self._buffers.move_to_end(key)
        return self._buffers[key]

    def _bind(self, feed: Feed, rows: int) -> _Buffers:
        binding = self._session.io_binding()
        inputs = {name: ort.OrtValue.ortvalue_from_numpy(values, self._device, 0) for name, values in feed.items()}
        for name, value in inputs.items():
            binding.bind_ortvalue_input(name, value)
        outputs = []
        for name, shape in self._outputs.items():
            outputs.append(ort.OrtValue.ortvalue_from_shape_and_type((rows, *shape), np.float32, self._device, 0))
            binding.bind_ortvalue_output(name, outputs[-1])
        return _Buffers(binding, inputs, outputs)


def _fill(values: NDArray[Any], rows: int) -> NDArray[Any]:
    """``values`` with rows of zeros up to ``rows``; contiguous."""
    if not values.ndim or len(values) == rows:
        return np.ascontiguousarray(values) if values.ndim else values
    filled = np.zeros((rows, *values.shape[1:]), values.dtype)
    filled[: len(values)] = values
    return filled
