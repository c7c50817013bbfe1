"""The house: which room may import which, and how large a room, a module and a class may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[1]
PACKAGES = {"stream_ser": ROOT, "stream_ser_export": ROOT / "export", "stream_ser_train": ROOT / "train"}

FLOORS = [
    {"stream_ser.cli", "stream_ser.__main__"},
    {"stream_ser.daemon", "stream_ser.bridges", "stream_ser.outputs", "stream_ser.client", "stream_ser.bench"},
    {"stream_ser.server"},
    {"stream_ser.core", "stream_ser.protocol"},
    {"stream_ser.models", "stream_ser.speech", "stream_ser.features"},
    {"stream_ser.audio"},
    {"stream_ser.events", "stream_ser.errors", "stream_ser.logs", "stream_ser.provenance", "stream_ser.state_rows"},
]
"""Of the runtime, from the top. A room may import its own floor and those below."""

TRAINER_FLOORS = [
    {"stream_ser_train.cli"},
    {"stream_ser_train.report"},
    {"stream_ser_train.evaluation"},
    {"stream_ser_train.fitting"},
    {"stream_ser_train.networks"},
    {"stream_ser_train.augmentation", "stream_ser_train.data"},
    {"stream_ser_train.progress", "stream_ser_train.versions", "stream_ser_train.workers"},
]

MAY_IMPORT = {
    "stream_ser": {"stream_ser"},
    "stream_ser_export": {"stream_ser", "stream_ser_export"},
    "stream_ser_train": {"stream_ser", "stream_ser_export", "stream_ser_train"},
}

TRAINING = {
    "tensorflow",
    "keras",
    "sklearn",
    "scipy",
    "python_speech_features",
    "tf2onnx",
    "onnx",
    "librosa",
    "audiomentations",
}
SHELLS = {"websockets", "typer", "rich", "sounddevice", "prometheus_client", "pydantic", "pydantic_settings"}
"""Libraries of the thin shells: what the core needs of them comes in as a Protocol."""

PLAIN = {"stream_ser.protocol", "stream_ser.events", "stream_ser.errors"}
"""All that bridges and clients may import of the runtime beside themselves: they can run on another machine."""

MAX_MODULE_LINES = 400
MAX_CLASS_LINES = 150
MAX_ROOM_MODULES = 12


@cache
def modules() -> dict[str, Path]:
    """Every module by its dotted name; a package by its own."""
    found = {}
    for package, place in PACKAGES.items():
        for file in sorted((place / package).rglob("*.py")):
            name = ".".join(file.relative_to(place).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = file
    return found


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text())


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@cache
def imports(module: str, *, at_run_time: bool = False) -> frozenset[str]:
    """Every module that a module imports, at its top or within a function; names of other packages as they stand."""
    found: set[str] = set()
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree(module)):
        if node in skipped:
            continue
        if at_run_time and is_type_checking(node):
            skipped.update(ast.walk(node))
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in modules() else str(node.module))
    return frozenset(found)


def room(module: str) -> str:
    """The part of a package that a module belongs to: ``stream_ser.audio.ring`` -> ``stream_ser.audio``."""
    return ".".join(module.split(".")[:2])


def floor_of(module: str, floors: list[set[str]]) -> int | None:
    return next((number for number, rooms in enumerate(floors) if room(module) in rooms), None)


def own_imports(module: str) -> Iterator[str]:
    return (name for name in imports(module) if name.split(".")[0] in PACKAGES)


@pytest.mark.parametrize("module", sorted(modules()))
def test_imports_go_down_only(module: str) -> None:
    package = module.split(".")[0]
    for name in own_imports(module):
        if package == "stream_ser" and module.startswith("stream_ser.cli."):
            continue  # the command line starts the trainer
        assert name.split(".")[0] in MAY_IMPORT[package], f"{module} imports {name}"
    for floors in (FLOORS, TRAINER_FLOORS):
        own = floor_of(module, floors)
        for name in own_imports(module):
            below = floor_of(name, floors)
            assert own is None or below is None or below >= own, f"{module} climbs to {name}"
    if package == "stream_ser" and module != "stream_ser":
        assert floor_of(module, FLOORS) is not None, f"{module} stands on no floor"
        foreign = {name.split(".")[0] for name in imports(module)}
        assert not foreign & TRAINING, f"{module} imports {foreign & TRAINING}"
    if package == "stream_ser_train" and module != "stream_ser_train":
        assert floor_of(module, TRAINER_FLOORS) is not None, f"{module} stands on no floor"


def circle(edges: dict[str, set[str]]) -> list[str] | None:
    """Some circle of a graph."""
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str] | None:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return None
        found = next((one for other in sorted(edges.get(node, ())) if (one := visit(other, [*path, node]))), None)
        done.add(node)
        return found

    return next((one for node in sorted(edges) if (one := visit(node, []))), None)


def test_no_module_and_no_room_imports_itself_through_others() -> None:
    between_modules = {
        module: {name for name in imports(module, at_run_time=True) if name in modules() and name != module}
        for module in modules()
    }
    for name in between_modules:
        if name.count(".") < 1 or modules()[name].name == "__init__.py":
            between_modules[name] = set()  # a package hands on what its modules define
    assert circle(between_modules) is None
    between_rooms: dict[str, set[str]] = {}
    for module in modules():
        if module in PACKAGES:
            continue
        between_rooms.setdefault(room(module), set()).update(room(name) for name in own_imports(module) if name not in PACKAGES)
    for name, others in between_rooms.items():
        others.discard(name)
    assert circle(between_rooms) is None


def closure(start: set[str]) -> set[str]:
    """Modules and all that they import of ours, packages on the way included."""
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        module = waiting.pop()
        if module in found or module not in modules() or module in PACKAGES:
            continue  # the package itself imports its public names lazily
        found.add(module)
        waiting += own_imports(module)
        waiting.append(module.rpartition(".")[0])
    return found


def test_the_core_and_all_that_it_imports_know_nothing_of_the_shells() -> None:
    core = closure({module for module in modules() if room(module) == "stream_ser.core"})
    assert "stream_ser.audio.ring" in core
    for module in core:
        shells = {name.split(".")[0] for name in imports(module)} & SHELLS
        assert not shells, f"{module} imports {shells}"


@pytest.mark.parametrize("name", ["stream_ser.bridges", "stream_ser.client"])
def test_bridges_and_clients_import_the_protocol_only(name: str) -> None:
    for module in modules():
        if room(module) != name:
            continue
        for used in own_imports(module):
            assert room(used) in {*PLAIN, name, "stream_ser"}, f"{module} imports {used}"


def test_benchmarks_are_imported_by_their_command_only() -> None:
    users = {
        module
        for module in modules()
        if room(module) != "stream_ser.bench" and any(room(name) == "stream_ser.bench" for name in own_imports(module))
    }
    assert users == {"stream_ser.cli.bench"}


def test_onnx_runtime_is_imported_where_its_telemetry_is_turned_off_only() -> None:
    importing = {module for module in modules() if any(name.split(".")[0] == "onnxruntime" for name in imports(module))}
    assert importing <= {"stream_ser.models.runtime"}


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_module_is_read_in_one_sitting(module: str) -> None:
    lines = len(modules()[module].read_text().splitlines())
    assert lines <= MAX_MODULE_LINES
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ClassDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < MAX_CLASS_LINES, f"class {node.name}"


def test_a_room_holds_about_ten_modules() -> None:
    for folder in {file.parent for file in modules().values()}:
        held = [file.name for file in folder.glob("*.py") if file.name != "__init__.py"]
        assert len(held) <= MAX_ROOM_MODULES, f"{folder.relative_to(ROOT)} holds {len(held)}: is there a room inside?"
