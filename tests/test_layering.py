"""Imports go down only, and the daemon needs nothing of training."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[1]
PACKAGES = {"stream_ser": ROOT, "stream_ser_train": ROOT / "train", "stream_ser_export": ROOT / "export"}

FLOORS = [
    {"cli"},
    {"daemon", "service", "console", "bridges", "client", "bench", "soak", "doctor"},
    {"server", "engine", "session", "clients", "pages", "access", "holder", "notify", "recording"},
    {"recognizer", "settings"},
    {"decision", "vad", "silero", "models", "features", "audio", "protocol", "ingest"},
    {"events", "errors", "logs", "metrics", "provenance"},
]
"""Of stream_ser, from the top. A module may import its own floor and those below."""

TRAINING = {"tensorflow", "keras", "sklearn", "tf2onnx", "onnx", "librosa", "audiomentations", "matplotlib"}


def modules() -> list[tuple[str, Path]]:
    found = []
    for package, place in PACKAGES.items():
        for file in sorted((place / package).rglob("*.py")):
            parts = file.relative_to(place).with_suffix("").parts
            found.append((".".join(parts).removesuffix(".__init__"), file))
    return found


def imports(file: Path) -> set[str]:
    """Every module that a file imports, at its top or within a function."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def floor(module: str) -> int | None:
    parts = module.split(".")
    if parts[0] != "stream_ser" or len(parts) == 1:
        return None
    return next((number for number, names in enumerate(FLOORS) if parts[1] in names), None)


@pytest.mark.parametrize(("module", "file"), modules(), ids=[name for name, _ in modules()])
def test_imports_go_down_only(module: str, file: Path) -> None:
    package = module.split(".", maxsplit=1)[0]
    own = floor(module)
    assert own is not None or module == "stream_ser" or package != "stream_ser", f"{module} stands on no floor"
    for name in imports(file):
        target = name.split(".", maxsplit=1)[0]
        if module != "stream_ser.cli.app":
            allowed = {
                "stream_ser": {"stream_ser"},
                "stream_ser_export": {"stream_ser", "stream_ser_export"},
                "stream_ser_train": set(PACKAGES),
            }[package]
            assert target not in PACKAGES or target in allowed, f"{module} imports {name}"
        if package == "stream_ser":
            assert target not in TRAINING, f"{module} imports {name}"
        below = floor(name)
        assert own is None or below is None or below >= own, f"{module} climbs to {name}"


def test_onnx_runtime_is_imported_where_its_telemetry_is_turned_off_only() -> None:
    importing = {module for module, file in modules() if any(name.split(".")[0] == "onnxruntime" for name in imports(file))}
    assert importing == {"stream_ser.models.runtime"}


def test_the_command_line_imports_nothing_heavy_at_its_top() -> None:
    tree = ast.parse((ROOT / "stream_ser/cli/app.py").read_text())
    top = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]  # type: ignore[union-attr]
        for node in tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    assert top <= {
        "__future__",
        "collections",
        "contextlib",
        "importlib",
        "os",
        "pathlib",
        "sys",
        "typing",
        "typer",
        "stream_ser",
    }
