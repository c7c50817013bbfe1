"""Writes what is heard, and what is said of it, to files: only where the user asks for it.

A part is a WAV file of what the recogniser hears (16 bit, mono) and a file of the messages to clients, one JSON object a
line. Its first message is a ``hello`` whose ``time`` is the stream time of the first sample, so that a message about ``start``
is about the sound ``start - time`` seconds into the file. Audio that was lost is silence, unless it is long: then a new
part begins.
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

PART_SECONDS = 3_600.0
"""Audio of one part: less is lost with it, and a WAV file cannot hold two days."""

LONGEST_SILENCE = 60.0
"""Seconds of lost audio that are written as silence."""

WAITING = 1_024
"""Pieces that may wait for the disk; if more, the recording breaks off."""


Samples = NDArray[np.float32]


class RecordingError(UserError):
    """The folder cannot be written to."""


class Recording:
    """Writes parts into a folder, on a thread of its own. Its methods return at once, whatever the disk does.

    Args:
        folder: made if it is not there. Files in it are for this user alone to read.
        sample_rate: of the audio, in Hz.
        greet: gives the ``hello`` of now.
        broke_off: called with the reason, on any thread, when the disk takes no more; nothing is written any more.

    Raises:
        RecordingError: nothing can be written there.
    """

    def __init__(
        self, folder: Path, sample_rate: int, greet: Callable[[], protocol.Hello], broke_off: Callable[[str], None]
    ) -> None:
        self.folder = folder
        self._rate, self._greet, self._broke_off = sample_rate, greet, broke_off
        self._queue: queue.Queue[Samples | int | bytes | None] = queue.Queue(WAITING)
        self._samples = 0
        """Of the stream, written or left out, so far."""
        self._left = 0
        """Samples that the part in progress still takes."""
        self._files: tuple[wave.Wave_write, BinaryIO] | None = None
        self.broken = False
        """Whether nothing is written any more."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(13, "not writable")
        except OSError as error:
            raise RecordingError(f"cannot record to {folder}: {error.strerror}; choose another --record") from error
        self._thread = threading.Thread(target=self._write, name="recording", daemon=True)
        self._thread.start()

    def heard(self, samples: Samples) -> None:
        """Write the next samples of the stream, in [-1, 1]."""
        self._put(samples)

    def lost(self, samples: int) -> None:
        """The next samples of the stream were lost."""
        self._put(samples)

    def told(self, message: protocol.ServerMessage) -> None:
        """Write a message."""
        self._put(msgspec.json.encode(message))

    def close(self) -> None:
        """Write what waits, and end."""
        while self._thread.is_alive():  # who broke off takes nothing any more
            with contextlib.suppress(queue.Full):
                self._queue.put(None, timeout=0.1)
                break
        self._thread.join()

    def _put(self, piece: Samples | int | bytes) -> None:
        if self.broken:
            return
        try:
            self._queue.put_nowait(piece)
        except queue.Full:
            self._break_off("the disk is too slow")

    def _break_off(self, reason: str) -> None:
        self.broken = True
        self._broke_off(reason)

    def _write(self) -> None:
        try:
            while (piece := self._queue.get()) is not None and not self.broken:
                if isinstance(piece, bytes):
                    self._note(piece)
                elif isinstance(piece, int):
                    self._leave_out(piece)
                else:
                    self._add(piece)
        except OSError as error:
            self._break_off(error.strerror or str(error))
        finally:
            self._close_part()

    def _add(self, samples: Samples) -> None:
        while len(samples):
            sound, _ = self._part()
            taken, samples = samples[: self._left], samples[self._left :]
            sound.writeframes((np.clip(taken, -1.0, 1.0) * 32_767.0).astype("<i2").tobytes())
            self._advance(len(taken))

    def _leave_out(self, samples: int) -> None:
        if samples > LONGEST_SILENCE * self._rate:
            self._close_part()
            self._samples += samples
            return
        self._add(np.zeros(samples, np.float32))

    def _note(self, line: bytes) -> None:
        _, messages = self._part()
        messages.write(line + b"\n")
        messages.flush()

    def _advance(self, samples: int) -> None:
        self._samples += samples
        self._left -= samples
        if not self._left:
            self._close_part()

    def _part(self) -> tuple[wave.Wave_write, BinaryIO]:
        """The files of the part in progress, begun if there is none."""
        if self._files is None:
            hello = msgspec.structs.replace(self._greet(), time=self._samples / self._rate)
            begins = datetime.fromtimestamp(hello.started_at + hello.time, UTC)
            name = begins.strftime("%Y-%m-%dT%H-%M-%S.%f")[:-3]
            sound_file = _create(self.folder / f"{name}.wav")
            sound = wave.Wave_write(sound_file)
            sound.setparams((1, 2, self._rate, 0, "NONE", ""))
            self._files = sound, _create(self.folder / f"{name}.jsonl")
            self._open = sound_file
            self._left = round(PART_SECONDS * self._rate)
            self._note(msgspec.json.encode(hello))
        return self._files

    def _close_part(self) -> None:
        if self._files is not None:
            for file in (*self._files, self._open):
                with contextlib.suppress(OSError):
                    file.close()
            self._files = None


def _create(file: Path) -> BinaryIO:
    """A new file that only this user may read, unbuffered: what is killed leaves what it wrote."""
    number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    return os.fdopen(number, "wb", buffering=0)
