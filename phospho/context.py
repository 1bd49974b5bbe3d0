"""Which session, user, version and metadata the code now running belongs to.

Held in a context variable: right per thread, per asyncio task, and per request.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from phospho import guard
from phospho.ids import new_id

if TYPE_CHECKING:
    from types import TracebackType

F = TypeVar("F", bound=Callable[..., Any])


class Context(NamedTuple):
    """What interactions logged inside a `with phospho.session(...)` share."""

    session_id: str
    user_id: str | None
    version_id: str | None
    metadata: Mapping[str, Any]


_current: ContextVar[Context | None] = ContextVar("phospho_session", default=None)

find_context = _current.get


class session:  # noqa: N801 - reads as a statement: `with phospho.session("s1"):`
    """Give everything logged inside the same session, user, version and metadata.

    Use it as `with phospho.session("s1", user_id="u1") as session_id:` or as a decorator of a
    function, sync or async; a decorated function enters it anew on each call. Nested ones
    override what they name and inherit the rest; metadata is merged. What is passed to
    `phospho.log` itself goes before all of them.

    Args:
        session_id: The session; when None, that of the enclosing `session`, else a new one.
        user_id: The end user of your app.
        version_id: Which release of your app answers.
        metadata: Kept with each interaction.
    """

    def __init__(
        self,
        session_id: str | None = None,
        *,
        user_id: str | None = None,
        version_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._session_id = _take_id(session_id)
        self._user_id = _take_id(user_id)
        self._version_id = _take_id(version_id)
        self._metadata: dict[str, Any] = {}
        if metadata is not None:
            with guard.guarded("read the metadata of a session"):
                self._metadata = dict(metadata)
        self._entered: list[Token[Context | None]] = []

    def __enter__(self) -> str:
        """Enter the session and return its id."""
        token, session_id = self._enter()
        self._entered.append(token)
        return session_id

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Return to the enclosing session, if any."""
        _leave(self._entered.pop())

    def __call__(self, function: F) -> F:
        """Decorate a function so that it runs inside this session."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            guard.report_once(
                "session:generator",
                "phospho.session cannot decorate the generator %r yet. It is left as it is; write "
                "`with phospho.session(...)` around the code that iterates over it.",
                getattr(function, "__qualname__", "function"),
            )
            return function
        return self._decorate(function)

    def _decorate(self, function: F) -> F:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            token, _ = self._enter()
            try:
                return function(*args, **kwargs)
            finally:
                _leave(token)

        @functools.wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            token, _ = self._enter()
            try:
                return await function(*args, **kwargs)
            finally:
                _leave(token)

        return run_async if inspect.iscoroutinefunction(function) else run  # type: ignore[return-value]

    def _enter(self) -> tuple[Token[Context | None], str]:
        outer = _current.get()
        metadata = dict(outer.metadata) if outer else {}
        metadata.update(self._metadata)
        context = Context(
            session_id=self._session_id or (outer.session_id if outer else new_id("session")),
            user_id=self._user_id or (outer.user_id if outer else None),
            version_id=self._version_id or (outer.version_id if outer else None),
            metadata=metadata,
        )
        return _current.set(context), context.session_id


def _take_id(value: object) -> str | None:
    """Return an id as text; of a stranger's value not even its truth may be asked for."""
    if value is None or type(value) is str:
        return value or None
    from phospho.record import read_id

    with guard.guarded("read the id of a session"):
        return read_id(value)
    return None


def _leave(token: Token[Context | None]) -> None:
    try:
        _current.reset(token)
    except ValueError:
        # Entered in another task or thread, as frameworks do with dependencies that yield.
        _current.set(token.old_value if token.old_value is not Token.MISSING else None)
