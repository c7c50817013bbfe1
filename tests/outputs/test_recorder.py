from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile
from patience import wait_until

from stream_ser import protocol
from stream_ser.outputs import recorder as recording
from stream_ser.outputs.recorder import Recorder, RecordingError

pytestmark = pytest.mark.unit

RATE = 16_000
HELLO = protocol.Hello(
    protocol=protocol.VERSION, version="0", source="yeti", host_api="ALSA", sample_rate=48_000, started_at=1_700_000_000.25,
    time=99.0, labels=("calm",), hop=0.1, window=3.0, models={}, provider="CPU", provider_reason="", recording=True,
)  # fmt: skip


def _sound(samples: int, seed: int = 0) -> np.ndarray:
    return (0.5 * np.random.default_rng(seed).uniform(-1, 1, samples)).astype(np.float32)


def _new(folder: Path, reasons: list[str] | None = None) -> Recorder:
    return Recorder(folder, RATE, lambda: HELLO, ([] if reasons is None else reasons).append)


def _parts(folder: Path) -> list[tuple[np.ndarray, list[dict[str, object]]]]:
    return [
        (soundfile.read(file, dtype="float32")[0], [*map(json.loads, file.with_suffix(".jsonl").read_text().splitlines())])
        for file in sorted(folder.glob("*.wav"))
    ]


def test_audio_and_messages_lie_side_by_side(tmp_path: Path) -> None:
    folder = tmp_path / "sessions" / "one"
    recorder = _new(folder)
    pieces = [_sound(700), _sound(1_600, 1)]
    recorder.on_samples(pieces[0])
    recorder.write_message(protocol.SpeechStart(start=0.5))
    recorder.on_samples(pieces[1])
    recorder.close()
    ((sound, messages),) = _parts(folder)
    np.testing.assert_allclose(sound, np.concatenate(pieces), atol=1e-4)
    assert [message["type"] for message in messages] == ["hello", "speech_start"]
    assert messages[0] == {**json.loads(msgspec.json.encode(HELLO)), "time": 0.0}
    assert sorted(file.name for file in folder.iterdir()) == ["2023-11-14T22-13-20.250.jsonl", "2023-11-14T22-13-20.250.wav"]


def test_only_this_user_may_read_it(tmp_path: Path) -> None:
    recorder = _new(tmp_path)
    recorder.on_samples(_sound(10))
    recorder.close()
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


def test_what_was_lost_is_silent_so_that_times_fit(tmp_path: Path) -> None:
    recorder = _new(tmp_path)
    recorder.on_samples(_sound(100))
    recorder.on_loss(5_000)
    recorder.on_samples(_sound(100, 1))
    recorder.close()
    ((sound, _),) = _parts(tmp_path)
    assert len(sound) == 5_200
    assert not sound[100:5_100].any()
    np.testing.assert_allclose(sound[5_100:], _sound(100, 1), atol=1e-4)


def test_after_a_long_loss_a_new_part_begins_where_the_stream_is(tmp_path: Path) -> None:
    recorder = _new(tmp_path)
    recorder.on_samples(_sound(RATE))
    recorder.on_loss(3_600 * RATE)
    recorder.on_samples(_sound(100))
    recorder.close()
    (one, _), (other, messages) = _parts(tmp_path)
    assert (len(one), len(other)) == (RATE, 100)
    assert messages[0]["time"] == 3_601.0


def test_no_part_is_longer_than_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "PART_S", 0.5)
    recorder, signal = _new(tmp_path), _sound(20_500)
    for piece in np.array_split(signal, 7):
        recorder.on_samples(piece)
    recorder.close()
    parts = _parts(tmp_path)
    assert [len(sound) for sound, _ in parts] == [8_000, 8_000, 4_500]
    np.testing.assert_allclose(np.concatenate([sound for sound, _ in parts]), signal, atol=1e-4)
    assert [messages[0]["time"] for _, messages in parts] == [0.0, 0.5, 1.0]


def test_what_is_beyond_full_scale_does_not_wrap(tmp_path: Path) -> None:
    recorder = _new(tmp_path)
    recorder.on_samples(np.array([2.0, -3.0, 0.0], np.float32))
    recorder.close()
    ((sound, _),) = _parts(tmp_path)
    np.testing.assert_allclose(sound, [1.0, -1.0, 0.0], atol=1e-3)


def test_a_recording_that_was_killed_can_be_read(tmp_path: Path) -> None:
    recorder = _new(tmp_path)
    recorder.on_samples(_sound(4_000))
    recorder.write_message(protocol.SpeechStart(start=0.1))
    wait_until(lambda: any(b"speech_start" in file.read_bytes() for file in tmp_path.glob("*.jsonl")), "the message is on disk")
    ((sound, messages),) = _parts(tmp_path)  # nothing is closed yet
    assert len(sound) == 4_000
    assert len(messages) == 2
    recorder.close()


def test_a_disk_that_fails_ends_it_with_the_reason(tmp_path: Path) -> None:
    reasons: list[str] = []
    folder = tmp_path / "gone"
    recorder = _new(folder, reasons)
    folder.rmdir()
    recorder.on_samples(_sound(10))
    recorder.close()
    assert recorder.failed
    assert reasons == [os.strerror(2)]
    recorder.on_samples(_sound(10))
    assert not folder.exists()


def test_a_disk_that_is_too_slow_ends_it_and_blocks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reasons: list[str] = []
    going = threading.Event()
    create = recording._create
    monkeypatch.setattr(recording, "_create", lambda file: going.wait() and create(file))
    recorder = _new(tmp_path, reasons)
    for _ in range(recording.QUEUE_SIZE + 10):
        recorder.on_samples(_sound(10))
    assert reasons == ["the disk is too slow"]
    going.set()
    recorder.close()


def test_a_folder_that_cannot_be_written_to_is_named() -> None:
    with pytest.raises(RecordingError, match=r"cannot record to /proc/nowhere: .*choose another --record"):
        _new(Path("/proc/nowhere"))
