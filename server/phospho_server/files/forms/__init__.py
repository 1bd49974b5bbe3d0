"""What the rows of a file are: somebody's export, or columns and conversations.

A form is a module that tells it from a sample of rows and has a `Form`; add it to `FOREIGN`, and
it is recognised.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from phospho_server.files.forms import columns, langfuse, langsmith
from phospho_server.files.forms.found import Form, Found
from phospho_server.files.rows import SAMPLE, Problem, Row, Rows, count_chars

__all__ = ["FOREIGN", "Form", "Found", "recognise"]

Sample = Sequence[Mapping[str, Any]]

# Each returns a form where the sample is of it. The first one that does is taken.
FOREIGN: Sequence[Callable[[Sample], Form | None]] = (langfuse.recognise, langsmith.recognise)

# Rows that are looked at to find readable ones.
_MOST = 10 * SAMPLE
_MOST_CHARS = 16_000_000


def recognise(
    rows: Rows, *, file_name: str, is_table: bool, asked: Mapping[str, str]
) -> tuple[Form, Rows]:
    """Return what the rows are, and all of them.

    Args:
        rows: Of the file.
        file_name: For messages.
        is_table: Whether they are of a format that has nothing but texts and numbers.
        asked: By field, its column, where options say so: then it is nobody's export.

    Raises:
        InvalidError: Nothing in the rows is what a user said.
    """
    first: list[Row | Problem] = []
    sample: list[Mapping[str, Any]] = []
    chars = 0
    for row in itertools.islice(rows, _MOST):
        first.append(row)
        if isinstance(row, Row):
            sample.append(row.value)
            chars += count_chars(row.value)
        if len(sample) == SAMPLE or chars > _MOST_CHARS:
            break
    form = None
    if not asked:
        form = next(filter(None, (find(sample) for find in FOREIGN)), None)
    form = form or columns.read_columns(sample, file_name=file_name, is_table=is_table, asked=asked)
    return form, itertools.chain(first, rows)
