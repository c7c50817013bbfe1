from __future__ import annotations

import inspect

import pytest

from stream_ser.cli.listen import listen
from stream_ser.daemon.settings import NAMES

pytestmark = pytest.mark.unit


def test_every_setting_is_an_option_and_every_option_is_a_setting() -> None:
    assert set(inspect.signature(listen).parameters) == set(NAMES)


def test_an_option_that_is_not_given_leaves_the_setting_alone() -> None:
    assert {parameter.default for parameter in inspect.signature(listen).parameters.values()} == {None}
