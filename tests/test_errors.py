from __future__ import annotations

from enum import StrEnum

import pytest

from stream_ser.errors import UserError, choose

pytestmark = pytest.mark.unit


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


def test_a_choice_is_one_of_its_values() -> None:
    assert choose(Size, "large", "--size") is Size.LARGE


@pytest.mark.parametrize("value", ["", "LARGE", "huge"])
def test_another_value_is_refused_with_the_choices(value: str) -> None:
    with pytest.raises(UserError) as refused:
        choose(Size, value, "--size")
    assert str(refused.value) == f"--size is {value!r}; it must be small or large"
    assert refused.value.__cause__ is None
