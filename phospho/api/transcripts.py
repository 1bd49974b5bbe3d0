"""A session that was read, whose transcript goes on for as long as somebody reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import PrivateAttr

from phospho.api.answers import InteractionDetails, Page, Session, Transcript
from phospho.api.listing import Listing

if TYPE_CHECKING:
    from phospho.api.calls import Calls


class ReadSession(Session):
    """A session, with all that was said in it."""

    _transcript: Listing[InteractionDetails] = PrivateAttr()

    @property
    def transcript(self) -> Listing[InteractionDetails]:
        """Its interactions in the order of time, each with all there is of it."""
        return self._transcript


def read_session(calls: Calls, session_id: str) -> ReadSession:
    """Read a session with the first part of its transcript; the others are read when needed."""
    begun = _read_part(calls, session_id, None)

    def read(cursor: str | None, _size: int) -> Page[InteractionDetails]:
        part = begun if cursor is None else _read_part(calls, session_id, cursor)
        return Page(data=part.transcript, next_cursor=part.next_cursor)

    session = ReadSession(**{name: getattr(begun, name) for name in Session.model_fields})
    session._transcript = Listing(InteractionDetails, read)  # noqa: SLF001 - its own module
    return session


def _read_part(calls: Calls, session_id: str, cursor: str | None) -> Transcript:
    query = [("id", session_id), *([("cursor", cursor)] if cursor else [])]
    return calls.get("/session", Transcript, query)
