from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import pytest
from requirements import require_programs

from stream_ser import provenance

pytestmark = pytest.mark.unit


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=tests", "-c", "user.email=tests@example.org", "-c", "commit.gpgsign=false")
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, of which the package that runs seems to be."""
    require_programs("git")
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    package = tmp_path / "checkout" / "package"
    package.mkdir(parents=True)
    (package / "module.py").write_text("x = 1\n")
    (package / "page.md").write_text("One.\n")
    git(package.parent, "init", "--quiet")
    git(package, "add", ".")
    git(package, "commit", "--quiet", "--message", "Begin")
    monkeypatch.setattr(provenance, "__file__", str(package / "module.py"))
    return package


def test_a_clean_checkout_is_named_by_its_commit(checkout: Path) -> None:
    assert provenance.commit() == git(checkout, "rev-parse", "HEAD")


def test_edited_source_is_marked_and_edited_pages_are_not(checkout: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    (checkout / "page.md").write_text("Two.\n")
    (checkout / "scratch.py").write_text("y = 2\n")
    assert provenance.commit() == head
    (checkout / "module.py").write_text("x = 2\n")
    assert provenance.commit() == f"{head}+changes"


def test_outside_a_checkout_and_without_git_the_commit_is_unknown(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "installed").mkdir()
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "installed" / "module.py"))
    assert provenance.commit() == "unknown"
    monkeypatch.setattr(provenance, "__file__", str(checkout / "module.py"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.commit() == "unknown"


def test_the_machine_is_described_without_its_name() -> None:
    described = provenance.machine()
    assert f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}" in described
    assert platform.node() not in described


def test_the_machine_is_described_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: Path) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert provenance.machine().startswith(platform.processor() or platform.machine())


def test_a_result_file_carries_the_command_and_where_it_ran(checkout: Path) -> None:
    assert provenance.origin("stream-ser bench") == {
        "command": "stream-ser bench",
        "commit": git(checkout, "rev-parse", "HEAD"),
        "machine": provenance.machine(),
    }
