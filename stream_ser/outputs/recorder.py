"""Writes audio and messages to files, for research; only with ``--record``.

A part is a WAV file of the audio that the recogniser processed (16 bit, mono) and a file of the messages to clients, one JSON
object a line. The first is a ``hello`` whose ``time`` is the stream time of the first sample, so that a message about ``start``
is about the audio ``start - time`` seconds into the file. Lost audio is written as silence; after a long loss a new part
begins.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import wave
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_ser import protocol
from stream_ser.errors import UserError

PART_S = 3_600.0
"""Audio of one part: less is lost with a damaged file, and a WAV file cannot hold two days."""

MAX_SILENCE_S = 60.0
"""Lost audio that is written as silence, at most."""

QUEUE_SIZE = 1_024
"""Pieces that may wait for the disk; with more, the recording fails."""

Samples = NDArray[np.float32]


class RecordingError(UserError):
    """The folder cannot be written to."""


class Recorder:
    """Writes parts into a folder, on a thread of its own. Its methods return at once, whatever the disk does.

    Args:
        folder: made if it is not there. Files in it are for this user alone to read.
        sample_rate: of the audio, in Hz.
        hello: gives the first message of a part; its ``time`` is replaced by that of the part.
        on_failure: called with the reason, on any thread, when the disk fails; nothing is written any more.

    Raises:
        RecordingError: nothing can be written there.
    """

    def __init__(
        self, folder: Path, sample_rate: int, hello: Callable[[], protocol.Hello], on_failure: Callable[[str], None]
    ) -> None:
        self.folder = folder
        self._rate, self._hello, self._on_failure = sample_rate, hello, on_failure
        self._queue: queue.Queue[Samples | int | bytes | None] = queue.Queue(QUEUE_SIZE)
        self._position = 0
        """Samples of the stream so far, written or skipped."""
        self._part_room = 0
        """Samples that still fit into the part in progress."""
        self._files: tuple[wave.Wave_write, BinaryIO] | None = None
        self.failed = False
        """Whether nothing is written any more."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(13, "not writable")
        except OSError as error:
            raise RecordingError(f"cannot record to {folder}: {error.strerror}; choose another --record") from error
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def on_samples(self, samples: Samples) -> None:
        """Write the next samples of the stream, in [-1, 1]."""
        self._enqueue(samples)

    def on_loss(self, samples: int) -> None:
        """Skip samples of the stream that were lost."""
        self._enqueue(samples)

    def write_message(self, message: protocol.ServerMessage) -> None:
        """Write a message."""
        self._enqueue(msgspec.json.encode(message))

    def close(self) -> None:
        """Flush the queue and end; waits for the disk."""
        while self._thread.is_alive():  # after a failure nobody empties the queue
            with contextlib.suppress(queue.Full):
                self._queue.put(None, timeout=0.1)
                break
        self._thread.join()

    def _enqueue(self, piece: Samples | int | bytes) -> None:
        if self.failed:
            return
        try:
            self._queue.put_nowait(piece)
        except queue.Full:
            self._fail("the disk is too slow")

    def _fail(self, reason: str) -> None:
        self.failed = True
        self._on_failure(reason)

    def _run(self) -> None:
        try:
            while (piece := self._queue.get()) is not None and not self.failed:
                if isinstance(piece, bytes):
                    self._write_line(piece)
                elif isinstance(piece, int):
                    self._skip(piece)
                else:
                    self._write_samples(piece)
        except OSError as error:
            self._fail(error.strerror or str(error))
        finally:
            self._close_part()

    def _write_samples(self, samples: Samples) -> None:
        while len(samples):
            audio, _ = self._part()
            piece, samples = samples[: self._part_room], samples[self._part_room :]
            audio.writeframes((np.clip(piece, -1.0, 1.0) * 32_767.0).astype("<i2").tobytes())
            self._advance(len(piece))

    def _skip(self, samples: int) -> None:
        if samples > MAX_SILENCE_S * self._rate:
            self._close_part()
            self._position += samples
            return
        self._write_samples(np.zeros(samples, np.float32))

    def _write_line(self, line: bytes) -> None:
        _, messages = self._part()
        messages.write(line + b"\n")
        messages.flush()

    def _advance(self, samples: int) -> None:
        self._position += samples
        self._part_room -= samples
        if not self._part_room:
            self._close_part()

    def _part(self) -> tuple[wave.Wave_write, BinaryIO]:
        """The files of the part in progress; begins one if there is none."""
        if self._files is None:
            hello = msgspec.structs.replace(self._hello(), time=self._position / self._rate)
            begin = datetime.fromtimestamp(hello.started_at + hello.time, UTC)
            name = begin.strftime("%Y-%m-%dT%H-%M-%S.%f")[:-3]
            self._audio_file = _create(self.folder / f"{name}.wav")
            audio = wave.Wave_write(self._audio_file)
            audio.setparams((1, 2, self._rate, 0, "NONE", ""))
            self._files = audio, _create(self.folder / f"{name}.jsonl")
            self._part_room = round(PART_S * self._rate)
            self._write_line(msgspec.json.encode(hello))
        return self._files

    def _close_part(self) -> None:
        if self._files is not None:
            for file in (*self._files, self._audio_file):
                with contextlib.suppress(OSError):
                    file.close()
            self._files = None


def _create(file: Path) -> BinaryIO:
    """A new file that only this user may read, unbuffered: a process that is killed leaves what it wrote."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    return os.fdopen(descriptor, "wb", buffering=0)
