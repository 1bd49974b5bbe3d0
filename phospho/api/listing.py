"""Lists that are read page after page, while somebody goes through them.

for session in client.sessions(event="refund"):
    print(session.first_input)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import BaseModel

from phospho.errors import AnswerError, InvalidRequestError

if TYPE_CHECKING:
    import pandas as pd

    from phospho.api.answers import Page

Item_co = TypeVar("Item_co", bound=BaseModel, covariant=True)

# What the server gives at most.
PAGE_SIZE = 200


class Listing(Generic[Item_co]):
    """All that matches, newest first unless asked for otherwise; nothing is read before it is used.

    Going through it again reads it again. How many there are is known at its end only, so it has no
    length: `len(list(...))` counts.

    Args:
        kind: What it lists.
        read: Returns the page at a cursor, None for the first, with at most so many.
        limit: The most to list; None for all.

    Raises:
        InvalidRequestError: The limit is negative. Whatever the server refuses is raised once the
            list is gone through.
    """

    def __init__(
        self,
        kind: type[Item_co],
        read: Callable[[str | None, int], Page[Item_co]],
        *,
        limit: int | None = None,
    ) -> None:
        if limit is not None and limit < 0:
            raise InvalidRequestError(f"limit is {limit}. Say how many to list, or None for all.")
        self._kind = kind
        self._read = read
        self._limit = limit

    def __iter__(self) -> Iterator[Item_co]:
        """Go through all, reading a page when the one before is used up."""
        for page in self.pages():
            yield from page

    def pages(self, size: int = PAGE_SIZE) -> Iterator[Sequence[Item_co]]:
        """Go through all in parts, none of which is empty.

        Args:
            size: The most in a part, from 1 to 200. A transcript has parts of 200.
        """
        left, cursor = self._limit, None
        while left is None or left > 0:
            page = self._read(cursor, size if left is None else min(size, left))
            found = page.data if left is None else page.data[:left]
            if found:
                yield found
            if page.next_cursor is None:
                return
            if page.next_cursor == cursor:
                raise AnswerError("The server answered with the same page twice. Update it.")
            left, cursor = left and left - len(found), page.next_cursor

    def page(self, cursor: str | None = None, size: int = PAGE_SIZE) -> Page[Item_co]:
        """Read one part, and the cursor of the next, for whoever keeps the place elsewhere.

        Args:
            cursor: `next_cursor` of the part before; None for the first.
            size: The most in it, from 1 to 200. The limit of the list does not count here.
        """
        return self._read(cursor, size)

    def first(self) -> Item_co | None:
        """Return the first, or None where nothing matches."""
        return next((found for page in self.pages(1) for found in page), None)

    def to_pandas(self) -> pd.DataFrame:
        """Read all into a DataFrame with a row each; see `docs/reading.md` for its columns.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        from phospho.api.frames import to_frame

        return to_frame(self._kind, self)

    def __repr__(self) -> str:
        """Name what it lists; nothing is read for it."""
        most = "" if self._limit is None else f", at most {self._limit}"
        return f"<Listing of {self._kind.__name__}{most}>"
