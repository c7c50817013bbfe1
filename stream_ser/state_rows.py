"""The state of many streams as arrays: one row a stream. Zeros are the state of a new stream."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass(slots=True)
class StateRows:
    """Base of the state of one part: each field is an array ``[rows, ...]``, or the :class:`StateRows` of a part within."""

    def clear(self, row: int) -> None:
        """Make ``row`` the state of a new stream."""
        for field in fields(self):
            part = getattr(self, field.name)
            if isinstance(part, StateRows):
                part.clear(row)
            else:
                part[row] = 0

    def grow(self, rows: int) -> None:
        """Add ``rows`` rows of new streams."""
        for field in fields(self):
            part = getattr(self, field.name)
            if isinstance(part, StateRows):
                part.grow(rows)
            else:
                setattr(self, field.name, np.concatenate((part, np.zeros((rows, *part.shape[1:]), part.dtype))))
