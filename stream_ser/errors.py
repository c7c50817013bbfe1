"""The one kind of error that a user can meet and mend."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

_Choice = TypeVar("_Choice", bound=StrEnum)


class UserError(Exception):
    """Says in one line what was wrong, the value, and what to do next. The command line prints it and exits with 1."""


def install_hint(extra: str) -> str:
    """What to do where the packages of an extra are missing. It works from a clone: nothing is on PyPI."""
    return f"in the clone of stream-ser: pip install --constraint constraints.txt --editable '.[{extra}]'"


def choose(choices: type[_Choice], value: str, option: str) -> _Choice:
    """What ``option`` was given, as one of its choices.

    Raises:
        UserError: it is none of them.
    """
    try:
        return choices(value)
    except ValueError:
        allowed = " or ".join(choice.value for choice in choices)
        raise UserError(f"{option} is {value!r}; it must be {allowed}") from None
