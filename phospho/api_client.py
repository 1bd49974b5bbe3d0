"""What a client reads of its project, and changes in it, besides the lists of `api_lists`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from phospho.api_lists import ApiLists, PeriodName

if TYPE_CHECKING:
    from datetime import date

    from typing_extensions import Unpack

    from phospho.api import answers
    from phospho.api.fields import DefinitionChanges, DefinitionFields, DraftFields
    from phospho.api.listing import Listing
    from phospho.api.transcripts import ReadSession


class ApiClient(ApiLists):
    """Reads a project and changes its event definitions; a part of `phospho.Client`.

    Unlike `log`, all of it waits for the server, and raises an error below
    `phospho.errors.ApiError` where the answer is none.
    """

    def project(self) -> answers.Project:
        """Read the project itself."""
        from phospho.api import answers

        return self._calls.get("", answers.Project)

    def session(self, session_id: str) -> ReadSession:
        """Read a session; its `transcript` lists all that was said in it."""
        from phospho.api.transcripts import read_session

        return read_session(self._calls, session_id)

    def interaction(self, task_id: str) -> answers.InteractionDetails:
        """Read an interaction with all there is of it."""
        from phospho.api import answers

        return self._calls.get("/interaction", answers.InteractionDetails, [("id", task_id)])

    def user(self, user_id: str) -> answers.User:
        """Read what is known of a user."""
        from phospho.api import answers

        return self._calls.get("/user", answers.User, [("id", user_id)])

    def events(
        self, event: str | Sequence[str] | None = None, *, limit: int | None = None
    ) -> Listing[answers.Occurrence]:
        """List where events occurred, the newest first: those with these names, or any."""
        from phospho.api import answers, filters

        return self._list("/events", answers.Occurrence, filters.to_query(event=event), limit)

    def definitions(self) -> Listing[answers.Definition]:
        """List all event definitions, the oldest first."""
        from phospho.api import answers
        from phospho.api.listing import Listing

        calls, page = self._calls, answers.Page[answers.Definition]
        return Listing(answers.Definition, lambda _cursor, _size: calls.get("/definitions", page))

    def definition(self, definition_id: str) -> answers.Definition:
        """Read an event definition."""
        from phospho.api import answers, paths

        return self._calls.get(paths.of_definition(definition_id), answers.Definition)

    def define(
        self, name: str, description: str, **fields: Unpack[DefinitionFields]
    ) -> answers.Definition:
        """Define an event; interactions of the past are looked at, too.

        `fields` are those of `phospho.models.EventDefinition`, as `keywords=["refund"]`.
        """
        from phospho.api import answers

        body = {"name": name, "description": description, **fields}
        return self._calls.send("POST", "/definitions", body, answers.Definition)

    def edit_definition(
        self, definition_id: str, **changes: Unpack[DefinitionChanges]
    ) -> answers.Definition:
        """Change an event definition; if more than its name is new, it becomes its next version.

        What is left out stays. Besides the fields, `enabled`, `version` and `to_past` may be said:
        see `phospho.api.fields.DefinitionChanges`.
        """
        from phospho.api import answers, paths

        path = paths.of_definition(definition_id)
        return self._calls.send("PATCH", path, {**changes}, answers.Definition)

    def delete_definition(self, definition_id: str) -> None:
        """Delete an event definition, and the events it found."""
        from phospho.api import paths

        self._calls.delete(paths.of_definition(definition_id))

    def preview_definition(self, **draft: Unpack[DraftFields]) -> answers.Preview:
        """Try out a draft of a definition on the newest interactions; nothing is stored.

        It needs a `description`, or the `event_id` of the definition that it would change.
        """
        from phospho.api import answers

        return self._calls.send("POST", "/definitions/preview", {**draft}, answers.Preview)

    def review(
        self,
        task_id: str,
        definition_id: str,
        *,
        occurred: bool,
        value: float | str | None = None,
    ) -> answers.InteractionDetails:
        """Confirm or reject an event, or add one: a person's word, which stands; see `reviews.md`.

        `value` is the score or the category, where the definition asks for one.
        """
        from phospho.api import answers

        body = {
            "task_id": task_id,
            "definition_id": definition_id,
            "occurred": occurred,
            "value": value,
        }
        return self._calls.send("PUT", "/reviews", body, answers.InteractionDetails)

    def undo_review(self, task_id: str, definition_id: str) -> answers.InteractionDetails:
        """Take a person's word back, so that the detector's stands."""
        from phospho.api import answers

        query = [("task_id", task_id), ("definition_id", definition_id)]
        return self._calls.take_back("/reviews", query, answers.InteractionDetails)

    def project_stats(
        self,
        *,
        period: PeriodName | None = None,
        since: str | date | None = None,
        until: str | date | None = None,
    ) -> answers.Stats:
        """Read the numbers of a period, by default 30 days, beside those of the one before."""
        from phospho.api import answers, filters

        query = filters.to_query(period=period, since=since, until=until)
        return self._calls.get("/stats", answers.Stats, query)

    def series(
        self,
        *,
        event: str | None = None,
        step: Literal["hour", "day", "week"] | None = None,
        period: PeriodName | None = None,
        since: str | date | None = None,
        until: str | date | None = None,
    ) -> answers.Series:
        """Read numbers over time: of all, or of one event."""
        from phospho.api import answers, filters

        query = filters.to_query(event=event, step=step, period=period, since=since, until=until)
        return self._calls.get("/stats/series", answers.Series, query)
