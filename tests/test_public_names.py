"""What ``from stream_ser import ...`` gives."""

from __future__ import annotations

import subprocess
import sys

import pytest

import stream_ser
from stream_ser import client, core, errors, events, protocol
from stream_ser.core import engine, host

pytestmark = pytest.mark.unit


def test_every_public_name_is_what_its_module_defines() -> None:
    assert {name: getattr(stream_ser, name) for name in stream_ser.__all__} == {
        "AsyncClient": client.AsyncClient,
        "Client": client.Client,
        "Engine": engine.Engine,
        "EngineHost": host.EngineHost,
        "UserError": errors.UserError,
        "__version__": stream_ser.__version__,
        "events": events,
        "protocol": protocol,
    }
    assert set(dir(stream_ser)) == set(stream_ser.__all__)


def test_submodules_can_be_imported_from_it() -> None:
    assert core.__name__ == "stream_ser.core"


def test_a_name_that_does_not_exist_is_named() -> None:
    with pytest.raises(AttributeError, match="module 'stream_ser' has no attribute 'Recogniser'"):
        _ = stream_ser.Recogniser


def test_importing_it_imports_none_of_its_parts() -> None:
    script = "import sys, stream_ser; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in loaded if name.startswith("stream_ser")] == ["stream_ser"]
    assert {"numpy", "onnxruntime", "websockets", "msgspec"} & set(loaded) == set()
