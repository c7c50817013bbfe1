"""The training commands as processes, on a small corpus of our own synthetic speech."""

from __future__ import annotations

import json
import shutil
import signal
from functools import partial
from pathlib import Path

import process
import pytest
import soundfile
from patience import TRAINING_PATIENCE_S, wait_until
from signals import silence
from speech_corpus import clip_name, write_corpus

from stream_ser.features import MfccSettings
from stream_ser.models.bundle import MODELS, load_bundle
from stream_ser.models.providers import CPU

pytestmark = pytest.mark.training

Command = partial(process.Command, patience_s=TRAINING_PATIENCE_S)
refused = partial(process.refused, patience_s=TRAINING_PATIENCE_S)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("data"), actors=(1, 2, 3, 4))


@pytest.fixture
def cache(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_training_writes_bundles_and_a_report_that_listen_can_use(data: Path, tmp_path: Path, cache: dict[str, str]) -> None:
    out = tmp_path / "out"
    with Command("train", "--data", str(data), "--out", str(out), "--quick", env=cache) as train:
        assert train.wait() == 0, train.errors
        assert train.errors == ""
        assert "Keras and ONNX agree" in train.output
        assert f"Report: {out / 'report.md'}" in train.output
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["held_out_speakers"] == ["ravdess 02"]
    assert set(metrics["models"]) == {"lstm", "mlp", "fused"}
    assert max(metrics["parity"].values()) <= 1e-5
    report = (out / "report.md").read_text()
    for name, model in metrics["models"].items():
        (line,) = (line for line in train.output.splitlines() if line.startswith(f"{name} ") and "UAR" in line)
        assert line.endswith(f"calibration error {model['ece']:.3f}")
        assert f"{name} {model['ece']:.3f}" in report
    for picture in ("learning-curves.png", "confusion-lstm.png", "confusion-mlp.png", "confusion-fused.png"):
        assert (out / picture).read_bytes().startswith(b"\x89PNG")
        assert f"({picture})" in report
    for name in MODELS:
        metadata = load_bundle(out / f"{name}.onnx", MfccSettings(), [CPU]).metadata
        assert metadata.training["corpus"]["speakers"] == 4
    with Command("listen", "--input", "demo", "--fast", "--port", "0", "--models", str(out)) as listen:
        assert listen.wait() == 0
        assert " = " in listen.output


def test_the_original_recipe_is_measured_on_the_same_actors(data: Path, tmp_path: Path, cache: dict[str, str]) -> None:
    out = tmp_path / "out"
    arguments = ("train", "--data", str(data), "--out", str(out), "--quick", "--recipe", "original")
    with Command(*arguments, env=cache) as train:
        assert train.wait() == 0, train.errors
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics["models"]) == {"original_lstm", "original_mlp"}
    assert metrics["held_out_speakers"] == ["ravdess 02"]
    assert not list(out.glob("*.onnx"))


def test_ctrl_c_names_the_checkpoint_and_the_same_command_resumes(data: Path, tmp_path: Path, cache: dict[str, str]) -> None:
    out = tmp_path / "out"
    arguments = ("train", "--data", str(data), "--out", str(out))
    with Command(*arguments, env=cache) as train:
        wait_until(lambda: bool(list(out.glob("checkpoints/*/history.json"))), "a checkpoint is there", TRAINING_PATIENCE_S)
        train.process.send_signal(signal.SIGINT)
        assert train.wait() == 1
        (line,) = train.errors.splitlines()
        assert line.startswith(f"stream-ser: stopped; the last checkpoint is in {out / 'checkpoints'}")
        assert line.endswith("the same command resumes from it")
        checkpoint = Path(line.split("checkpoint is in ")[1].split(";")[0])

    def losses() -> list[float]:
        content: list[float] = json.loads((checkpoint / "history.json").read_text())["loss"]
        return content

    before = losses()
    with Command(*arguments, env=cache):
        wait_until(lambda: losses() != before, "the fit went on", TRAINING_PATIENCE_S)
    assert losses()[: len(before)] == before


def test_models_are_trained_on_one_corpus_and_tested_on_another(data: Path, tmp_path: Path, cache: dict[str, str]) -> None:
    other = tmp_path / "calls"
    other.mkdir()
    rows = ["path,emotion,speaker"]
    for word, emotion in (("anger", 5), ("joy", 3), ("pride", 7)):
        shutil.copy(data / "Actor_04" / clip_name(emotion, 4), other / f"{word}.wav")
        rows.append(f"{word}.wav,{word},anna")
    (other / "manifest.csv").write_text("\n".join(rows) + "\n")
    arguments = ("--train-data", str(data), "--test-data", str(other), "--out", str(tmp_path / "out"), "--quick")
    with Command("evaluate", "--protocol", "cross-corpus", *arguments, env=cache) as evaluate:
        assert evaluate.wait() == 0, evaluate.errors
        assert "calls: anger -> angry (1), joy -> happy (1), pride -> not used (1)" in evaluate.output
    result = json.loads((tmp_path / "out" / "cross-corpus.json").read_text())
    assert result["folds"][0]["test_speakers"] == ["calls anna"]
    for model in result["models"].values():
        assert set(model["recall"]) == {"happy", "angry"}
        assert model["uar"]["mean"] in (0.0, 0.5, 1.0)


def test_check_names_what_is_missing_doubled_foreign_or_damaged(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(data, folder)
    shutil.copytree(data / "Actor_01", folder / "again" / "Actor_01")
    (folder / "Actor_02" / clip_name(1, 2)).write_bytes(b"damaged")
    soundfile.write(folder / "Actor_03" / "notes.wav", silence(0.1), 16_000)
    with Command("data", "check", str(folder)) as check:
        assert check.wait() == 1
        assert "8 doubled (counted once)" in check.output
        assert "1 of no known name (skipped): copy/Actor_03/notes.wav" in check.output
        assert f"{clip_name(1, 2)} is unreadable" in check.output
        assert "actor 4: 52 of 60 clips missing" in check.output
        assert "31 of 1440 clips are usable." in check.output
        assert check.errors.startswith(f"stream-ser: {folder} is incomplete")


def test_the_real_set_is_complete(ravdess: Path) -> None:
    with Command("data", "check", str(ravdess)) as check:
        assert check.wait() == 0
        assert "1440 of 1440 clips are usable." in check.output


def test_a_smoke_run_on_the_real_set_goes_through(ravdess: Path, tmp_path: Path, cache: dict[str, str]) -> None:
    with Command("train", "--data", str(ravdess), "--out", str(tmp_path / "out"), "--quick", env=cache) as train:
        assert train.wait() == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["held_out_speakers"] == [f"ravdess {actor:02}" for actor in (2, 5, 14, 15, 16)]
    assert metrics["corpus"] == {"clips": 240, "speakers": 24, "doubled": 0}


class TestRefusals:
    def test_an_empty_folder(self, tmp_path: Path) -> None:
        with refused("train", "--data", str(tmp_path), "--out", str(tmp_path / "out")) as line:
            assert "holds no clip of a known name" in line

    def test_one_actor_only(self, tmp_path: Path) -> None:
        write_corpus(tmp_path / "data", actors=(5,), emotions=(1, 2))
        with refused("train", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")) as line:
            assert "has one speaker only (ravdess 05)" in line

    def test_clips_without_speech(self, tmp_path: Path, cache: dict[str, str]) -> None:
        for actor in (1, 2):
            soundfile.write(tmp_path / clip_name(1, actor), silence(1.0), 16_000)
        with refused("train", "--data", str(tmp_path), "--out", str(tmp_path / "out"), env=cache) as line:
            assert "no speech was found" in line

    def test_a_damaged_clip(self, tmp_path: Path, cache: dict[str, str]) -> None:
        write_corpus(tmp_path / "data", actors=(1, 2), emotions=(1,))
        (tmp_path / "data" / "Actor_02" / clip_name(1, 2)).write_bytes(b"damaged")
        with refused("train", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), env=cache) as line:
            assert f"{clip_name(1, 2)} is unreadable" in line

    def test_too_few_actors_for_the_folds(self, data: Path, tmp_path: Path) -> None:
        with refused("evaluate", "--data", str(data), "--out", str(tmp_path), "--quick") as line:
            assert "the clips are of ravdess 01, ravdess 02, ravdess 03, ravdess 04 only" in line

    def test_a_speaker_in_both_corpora(self, data: Path, tmp_path: Path) -> None:
        both = ("--train-data", str(data), "--test-data", str(data))
        with refused("evaluate", "--protocol", "cross-corpus", *both, "--out", str(tmp_path), "--quick") as line:
            assert "ravdess 01, ravdess 02, ravdess 03, ... stand in both --train-data and --test-data" in line

    def test_options_of_another_protocol(self, data: Path, tmp_path: Path) -> None:
        with refused("evaluate", "--train-data", str(data), "--out", str(tmp_path)) as line:
            assert "--train-data and --test-data are for --protocol cross-corpus" in line
        with refused("evaluate", "--protocol", "cross-corpus", "--train-data", str(data), "--out", str(tmp_path)) as line:
            assert "needs --train-data and --test-data" in line

    @pytest.mark.parametrize(("option", "value"), [("--recipe", "best"), ("--protocol", "easy")])
    def test_an_unknown_choice(self, option: str, value: str, tmp_path: Path) -> None:
        command = "train" if option == "--recipe" else "evaluate"
        with refused(command, "--out", str(tmp_path), option, value) as line:
            assert f"{option} is '{value}'; it must be" in line
