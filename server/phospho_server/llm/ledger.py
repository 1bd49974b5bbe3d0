"""The ledger of a project in the database: an answer and its cost are kept in one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from phospho.detectors.llm.ledger import Call
from phospho_server.store import Connection, Store, erasures, llm, llm_usage
from phospho_server.store.deleting import unless_gone


class StoreLedger:
    """Remembers the answers of one project, and books what they cost.

    Args:
        store: Where.
        project_id: The project.
        is_shared: Whether it asks the LLM that all projects share.
    """

    def __init__(self, store: Store, project_id: str, *, is_shared: bool) -> None:
        self._store = store
        self._project_id = project_id
        self._is_shared = is_shared

    def find(self, keys: Sequence[str]) -> dict[str, str]:
        """Return the answers to those of the keys that are known."""
        with self._store.read() as db:
            return llm.find_answers(db, self._project_id, keys)

    def keep(self, call: Call) -> None:
        """Remember the answers of a call and book its cost, durably."""

        def book(db: Connection) -> None:
            llm_usage.add_call(db, self._project_id, call)
            # An answer quotes a message, which may have been erased while it was asked about.
            if not erasures.was_asked_lately(db, self._project_id):
                llm.keep_answers(db, self._project_id, call.answers)

        book_mine = unless_gone(self._project_id, book)

        def book_all(db: Connection) -> None:
            if self._is_shared:
                llm_usage.add_shared(db, call.usage)
            book_mine(db)

        self._store.write(book_all)
