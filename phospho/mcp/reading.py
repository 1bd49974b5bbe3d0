"""The tools that read: none of them changes anything, here or on the server."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from phospho.api import answers  # noqa: TC001 - the SDK reads what a tool returns
from phospho.mcp import inputs, shown

if TYPE_CHECKING:
    from phospho import Client


class Reading:
    """What an agent may ask of a project; each method that `TOOLS` names is a tool.

    Args:
        client: Reads the project.
    """

    TOOLS = (
        "list_event_definitions",
        "list_events",
        "list_sessions",
        "preview_event_definition",
        "read_series",
        "read_session",
        "read_stats",
        "search_interactions",
    )

    def __init__(self, client: Client) -> None:
        self._client = client

    def search_interactions(
        self,
        words: inputs.Words = None,
        events: inputs.Events = None,
        without: inputs.Without = None,
        flag: inputs.Feedback = None,
        user: inputs.User = None,
        version: inputs.Version = None,
        language: inputs.Language = None,
        sentiment: inputs.Sentiment = None,
        metadata: inputs.Metadata = None,
        since: inputs.Since = None,
        until: inputs.Until = None,
        period: inputs.Period = None,
        limit: inputs.Limit = 10,
        cursor: inputs.Cursor = None,
    ) -> shown.Page[shown.Interaction]:
        """Find interactions, the newest first: what a user said and what the app answered.

        All filters have to hold. Long messages are cut; `read_session` shows them whole.
        """
        found = self._client.interactions(
            q=words, event=events, without=without, flag=flag, user=user, version=version,
            language=language, sentiment=sentiment, metadata=metadata, since=since, until=until,
            period=period,
        ).page(cursor, limit)  # fmt: skip
        return shown.Page(
            data=[shown.interaction(each) for each in found.data], next_cursor=found.next_cursor
        )

    def list_sessions(
        self,
        words: inputs.Words = None,
        events: inputs.Events = None,
        without: inputs.Without = None,
        flag: inputs.Feedback = None,
        user: inputs.User = None,
        version: inputs.Version = None,
        language: inputs.Language = None,
        sentiment: inputs.Sentiment = None,
        metadata: inputs.Metadata = None,
        since: inputs.Since = None,
        until: inputs.Until = None,
        period: inputs.Period = None,
        limit: inputs.Limit = 20,
        cursor: inputs.Cursor = None,
    ) -> shown.Page[answers.Session]:
        """List conversations, the newest first, with how often each event occurred in them.

        A filter holds if it does for one interaction of the session.
        """
        found = self._client.sessions(
            q=words, event=events, without=without, flag=flag, user=user, version=version,
            language=language, sentiment=sentiment, metadata=metadata, since=since, until=until,
            period=period,
        ).page(cursor, limit)  # fmt: skip
        return shown.Page(
            data=[shown.session(each) for each in found.data], next_cursor=found.next_cursor
        )

    def read_session(
        self,
        session_id: inputs.SessionId,
        start: inputs.Start = 0,
        max_chars: inputs.MostChars = 12_000,
    ) -> shown.Transcript:
        """Read a conversation in the order of time, with the events of each interaction.

        A long one comes in parts: `next_start` of the answer continues it.
        """
        session = self._client.session(session_id)
        rest = itertools.islice(session.transcript, start, None)
        return shown.transcript(session, rest, start=start, most_chars=max_chars)

    def list_events(
        self,
        events: inputs.Events = None,
        limit: inputs.Limit = 10,
        cursor: inputs.Cursor = None,
    ) -> shown.Page[shown.Occurrence]:
        """List where events occurred, the newest first, and why: these events, or all."""
        found = self._client.events(events).page(cursor, limit)
        return shown.Page(
            data=[shown.occurrence(each) for each in found.data], next_cursor=found.next_cursor
        )

    def list_event_definitions(self) -> shown.Page[shown.Definition]:
        """List what is looked for in every interaction, and how often each has occurred."""
        found = self._client.definitions()
        return shown.Page(data=[shown.definition(each) for each in found], next_cursor=None)

    def preview_event_definition(
        self,
        description: inputs.SomeDescription = None,
        event_id: inputs.SomeDefinitionId = None,
        keywords: inputs.Keywords = None,
        pattern: inputs.Pattern = None,
        scope: inputs.SomeScope = None,
        answer: inputs.SomeAnswer = None,
        categories: inputs.Categories = None,
        interactions: inputs.Newest = 1_000,
    ) -> answers.Preview:
        """Try out an event definition on the newest interactions; nothing is stored.

        Say a `description`, or the `event_id` of the definition that the draft would change: its
        fields stand for those that are left out.
        """
        draft = {
            "description": description,
            "event_id": event_id,
            "keywords": keywords,
            "pattern": pattern,
            "scope": scope,
            "answer": answer,
            "categories": categories,
            "interactions": interactions,
        }
        return shown.preview(self._client.preview_definition(**inputs.given(draft)))

    def read_stats(
        self,
        period: inputs.Period = None,
        since: inputs.Since = None,
        until: inputs.Until = None,
    ) -> answers.Stats:
        """Count sessions, interactions, users and each event in a period, by default 30 days.

        `before` has the same of the period of the same length before it.
        """
        return self._client.project_stats(period=period, since=since, until=until)

    def read_series(
        self,
        event: inputs.OneEvent = None,
        step: inputs.Step = None,
        period: inputs.Period = None,
        since: inputs.Since = None,
        until: inputs.Until = None,
    ) -> answers.Series:
        """Count by hour, day or week: all there is, or one event beside all interactions."""
        return self._client.series(event=event, step=step, period=period, since=since, until=until)
