"""What a client lists: sessions, interactions, users, search results, and all of it as files.

Nothing here is loaded by an app that only logs but these signatures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeVar

from phospho import lifecycle

if TYPE_CHECKING:
    from datetime import date
    from os import PathLike
    from typing import BinaryIO

    from pydantic import BaseModel

    from phospho.api.answers import Found, Interaction, Session, User
    from phospho.api.calls import Calls
    from phospho.api.listing import Listing
    from phospho.config import Settings
    from phospho.detectors.sentiment import Feeling
    from phospho.models import Flag

    Item = TypeVar("Item", bound=BaseModel)

PeriodName = Literal["24h", "7d", "30d", "all"]


class ApiLists:
    """Lists of a project; a part of `phospho.Client`.

    All lists take the same filters, and everything that is asked for has to hold:

    * `q`: words that occur in a message; of users, what their ids begin with.
    * `event`, `without`: names of events that occurred, and that did not; one or several.
    * `flag`: what feedback says. `notes`: whether somebody wrote a note.
    * `user`, `version`, `model`: ids, and the name of a model.
    * `language`: as an ISO 639-1 code. `sentiment`: how a message of the user sounds.
    * `metadata`: keys with their values.
    * `period`: up to now. `since`, `until`: a day, which is included, or a time; a text as in
      ISO 8601 is in UTC, a datetime without a zone local.
    * `length`: of the session, as 3, "3-5" or "11-". `position`: of the interaction in it.
    * `sort`: the order. `limit`: the most to list; None for all.

    Calls raise the errors below `phospho.errors.ApiError`.
    """

    _settings: Settings
    _calls_made: Calls | None = None

    @property
    def _calls(self) -> Calls:
        """What calls the server, made when it is first needed."""
        from phospho.api.calls import Calls

        with lifecycle.loading:
            if self._calls_made is None:
                self._calls_made = Calls(self._settings)
            return self._calls_made

    def _close_calls(self) -> None:
        """Close the connections that reading opened; reading again opens new ones."""
        if self._calls_made is not None:
            self._calls_made.close()

    def sessions(
        self,
        *,
        q: str | None = None,
        event: str | Sequence[str] | None = None,
        without: str | Sequence[str] | None = None,
        flag: Flag | None = None,
        notes: bool = False,
        user: str | None = None,
        version: str | None = None,
        model: str | None = None,
        language: str | None = None,
        sentiment: Feeling | None = None,
        metadata: Mapping[str, str | int | bool] | None = None,
        period: PeriodName | None = None,
        since: str | date | None = None,
        until: str | date | None = None,
        length: int | str | None = None,
        sort: Literal["newest", "oldest", "longest"] | None = None,
        limit: int | None = None,
    ) -> Listing[Session]:
        """List sessions, by default those with the newest interaction first."""
        from phospho.api import answers, filters

        query = filters.to_query(
            q=q, event=event, without=without, flag=flag, notes=notes, user=user, version=version,
            model=model, language=language, sentiment=sentiment, metadata=metadata, period=period,
            since=since, until=until, length=length, sort=sort,
        )  # fmt: skip
        return self._list("/sessions", answers.Session, query, limit)

    def interactions(
        self,
        *,
        q: str | None = None,
        event: str | Sequence[str] | None = None,
        without: str | Sequence[str] | None = None,
        flag: Flag | None = None,
        notes: bool = False,
        user: str | None = None,
        version: str | None = None,
        model: str | None = None,
        language: str | None = None,
        sentiment: Feeling | None = None,
        metadata: Mapping[str, str | int | bool] | None = None,
        period: PeriodName | None = None,
        since: str | date | None = None,
        until: str | date | None = None,
        position: int | str | None = None,
        sort: Literal["newest", "oldest"] | None = None,
        limit: int | None = None,
    ) -> Listing[Interaction]:
        """List interactions, by default those that arrived last first."""
        from phospho.api import answers, filters

        query = filters.to_query(
            q=q, event=event, without=without, flag=flag, notes=notes, user=user, version=version,
            model=model, language=language, sentiment=sentiment, metadata=metadata, period=period,
            since=since, until=until, position=position, sort=sort,
        )  # fmt: skip
        return self._list("/interactions", answers.Interaction, query, limit)

    def users(
        self,
        *,
        q: str | None = None,
        event: str | Sequence[str] | None = None,
        without: str | Sequence[str] | None = None,
        flag: Flag | None = None,
        notes: bool = False,
        version: str | None = None,
        model: str | None = None,
        language: str | None = None,
        sentiment: Feeling | None = None,
        metadata: Mapping[str, str | int | bool] | None = None,
        period: PeriodName | None = None,
        since: str | date | None = None,
        until: str | date | None = None,
        sort: Literal["newest", "oldest", "most"] | None = None,
        limit: int | None = None,
    ) -> Listing[User]:
        """List users, by default those that were seen last first."""
        from phospho.api import answers, filters

        query = filters.to_query(
            q=q, event=event, without=without, flag=flag, notes=notes, version=version,
            model=model, language=language, sentiment=sentiment, metadata=metadata, period=period,
            since=since, until=until, sort=sort,
        )  # fmt: skip
        return self._list("/users", answers.User, query, limit)

    def search(
        self,
        q: str,
        *,
        event: str | Sequence[str] | None = None,
        without: str | Sequence[str] | None = None,
        flag: Flag | None = None,
        notes: bool = False,
        user: str | None = None,
        version: str | None = None,
        model: str | None = None,
        language: str | None = None,
        sentiment: Feeling | None = None,
        metadata: Mapping[str, str | int | bool] | None = None,
        period: PeriodName | None = None,
        since: str | date | None = None,
        until: str | date | None = None,
        position: int | str | None = None,
        limit: int | None = None,
    ) -> Listing[Found]:
        """List the newest interactions that have all the words of `q`, and what is around them."""
        from phospho.api import answers, filters

        query = filters.to_query(
            q=q, event=event, without=without, flag=flag, notes=notes, user=user, version=version,
            model=model, language=language, sentiment=sentiment, metadata=metadata, period=period,
            since=since, until=until, position=position,
        )  # fmt: skip
        return self._list("/search", answers.Found, query, limit)

    def export(
        self,
        what: Literal["sessions", "interactions", "users"],
        to: str | PathLike[str] | BinaryIO,
        *,
        format: Literal["csv", "jsonl"] = "csv",
        q: str | None = None,
        event: str | Sequence[str] | None = None,
        without: str | Sequence[str] | None = None,
        flag: Flag | None = None,
        notes: bool = False,
        user: str | None = None,
        version: str | None = None,
        model: str | None = None,
        language: str | None = None,
        sentiment: Feeling | None = None,
        metadata: Mapping[str, str | int | bool] | None = None,
        period: PeriodName | None = None,
        since: str | date | None = None,
        until: str | date | None = None,
        length: int | str | None = None,
        position: int | str | None = None,
        sort: Literal["newest", "oldest", "longest", "most"] | None = None,
    ) -> int:
        """Write everything that matches to a file, while it arrives; return its size in bytes.

        `to` is a file opened for bytes, or a path, where the file appears once it is whole. `what`
        is the list, whose filters follow.
        """
        from phospho.api import files, filters

        query = filters.to_query(
            format=format, q=q, event=event, without=without, flag=flag, notes=notes, user=user,
            version=version, model=model, language=language, sentiment=sentiment,
            metadata=metadata, period=period, since=since, until=until, length=length,
            position=position, sort=sort,
        )  # fmt: skip
        return files.write(self._calls, f"/export/{what}", query, to)

    def _list(
        self,
        path: str,
        kind: type[Item],
        query: Sequence[tuple[str, str]],
        limit: int | None = None,
    ) -> Listing[Item]:
        from phospho.api.answers import Page
        from phospho.api.listing import Listing

        calls = self._calls

        def read(cursor: str | None, size: int) -> Page[Item]:
            place = [("limit", str(size)), *([("cursor", cursor)] if cursor else [])]
            return calls.get(path, Page[kind], [*query, *place])  # type: ignore[valid-type]

        return Listing(kind, read, limit=limit)
