"""The functions of `import phospho`: they work with one client, made by `init`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from typing import Any

from phospho import guard, lifecycle
from phospho.backlog import Stats
from phospho.client import Client
from phospho.errors import ConfigurationError
from phospho.ids import new_id

# All are changed while `lifecycle.loading` is held: making a client loads plugins, and a fork
# waits until that is done.
_client: Client | None = None
# What `init` makes; `phospho.testing` puts another one here for a while.
_make_client: Callable[..., Client] = Client
# Stands in while there are no settings: it makes records and counts them as dropped.
_stand_in: Client | None = None


def init(
    api_key: str | None = None,
    project_id: str | None = None,
    *,
    base_url: str | None = None,
    version_id: str | None = None,
    auto_log: bool = False,
    tick: float = 0.5,
    spool_dir: str | PathLike[str] | None = None,
    spool_fsync: bool | None = None,
    sample_rate: float | None = None,
    plugins: Iterable[object] = (),
) -> None:
    """Connect this process to a project; what is None comes from the environment.

    A second call replaces the first: what is queued is sent for up to 2 seconds.

    Args:
        api_key: The key (`PHOSPHO_API_KEY`).
        project_id: The project (`PHOSPHO_PROJECT_ID`).
        base_url: Where the server answers (`PHOSPHO_BASE_URL`, else http://127.0.0.1:8000).
        version_id: Which release of your app answers (`PHOSPHO_VERSION_ID`).
        auto_log: Whether OpenAI, LangChain and LlamaIndex log by themselves, whichever of them the
            app has imported or imports later; `uninstrument_openai` and the like end that.
        tick: Seconds the sender waits for more before it sends what there is.
        spool_dir: A folder: what is logged is written there before `log` returns, and removed once
            it is sent (`PHOSPHO_SPOOL_DIR`). Several processes may share it.
        spool_fsync: Whether each record is forced onto the disk, so that it also outlives a loss of
            power (`PHOSPHO_SPOOL_FSYNC`).
        sample_rate: The share of sessions to send, 0 to 1 (`PHOSPHO_SAMPLE_RATE`, else 1).
        plugins: Modules or objects that implement hooks of `phospho/hookspecs.py`.

    Raises:
        ConfigurationError: When a setting is missing or unusable; names argument and variable.
        PluginError: When a plugin implements a hook that does not exist.
    """
    global _client
    with lifecycle.loading:
        client = _make_client(
            api_key,
            project_id,
            base_url=base_url,
            version_id=version_id,
            tick=tick,
            sample_rate=sample_rate,
            spool_dir=spool_dir,
            spool_fsync=spool_fsync,
            plugins=plugins,
        )
        former, _client = _client, client
    if auto_log:
        from phospho.integrations.auto import instrument_all

        instrument_all()
    if former is None or former.close():
        return
    former.hand_over_spool()
    if former.stats().queued:
        guard.warn(
            "phospho.init replaced a client with %d interactions not sent. Call phospho.flush() "
            "before the second phospho.init.",
            former.stats().queued,
        )


def exchange(
    client: Client | None, make_client: Callable[..., Client]
) -> tuple[Client | None, Callable[..., Client]]:
    """Put another default client in place, and what `init` makes; return the former two.

    Neither client is flushed or closed.
    """
    global _client, _make_client
    with lifecycle.loading:
        former = _client, _make_client
        _client, _make_client = client, make_client
    return former


def get_client() -> Client:
    """Return the client of `init`; without one, that of the environment or a stand-in."""
    return _client or _find_client()


def _find_client() -> Client:
    global _client, _stand_in  # noqa: PLW0603 - the one client of the process
    with lifecycle.loading:
        if _client is not None:
            return _client
        try:
            _client = Client()
        except ConfigurationError as exc:
            # Settings may come later, as from a file that the app loads: each call looks again.
            guard.report_once("not_initialised", "Nothing is sent to phospho yet. %s", exc)
        except Exception as exc:  # noqa: BLE001 - a broken installation must not hurt the app
            _report_broken(exc)
            _client = Client.without_settings()
        if _client is not None:
            return _client
        _stand_in = _stand_in or Client.without_settings()
        return _stand_in


def _report_broken(exc: Exception) -> None:
    guard.report_once(
        "broken",
        "Nothing is sent to phospho: it could not start: %s (%s). Repair the installation of "
        "phospho and its plugins, or leave these out with PHOSPHO_DISABLE_PLUGINS=all; then start "
        "the app again.",
        guard.words_of(exc),
        type(exc).__name__,
        exc=exc,
    )


def log(
    input: Any,
    output: Any = None,
    *,
    session_id: str | None = None,
    task_id: str | None = None,
    user_id: str | None = None,
    version_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    flag: str | None = None,
    created_at: Any = None,
    raw_input: Any = None,
    raw_output: Any = None,
    input_to_str_function: Callable[[Any], str] | None = None,
    output_to_str_function: Callable[[Any], str] | None = None,
    stream: bool = False,
    **anything: Any,
) -> dict[str, Any]:
    """Log an interaction: what the user said and what your app answered.

    Returns at once and never raises; delivery happens in the background.

    Args:
        input: A text, or anything an extractor can read: a request with `messages`, a list of
            messages, bytes, an object of yours.
        output: The answer, likewise; None where there is none.
        session_id: The conversation; a new one for each call when None.
        task_id: Identifies the interaction; made when None. A repeated one is ignored.
        user_id: The end user of your app.
        version_id: Which release of your app answered.
        metadata: Anything to keep with it, up to 256,000 characters and 20 levels.
        flag: `success` or `failure`, where that is already known.
        created_at: When it took place, if not now: a datetime (local, if naive) or seconds.
        raw_input: What `input` was made from; kept beside it.
        raw_output: What `output` was made from.
        input_to_str_function: Reads `input`; goes before all extractors.
        output_to_str_function: Reads `output`.
        stream: Whether `output` is the answer still to come: a generator, an iterator, a stream
            of a library, sync or async, or a context manager that gives one. It is logged when it
            is over. Iterate over `["output"]` of what is returned: that is the stream itself
            wherever possible, and a generator that stands before it else.
        **anything: Kept as written, beside the rest.

    Returns:
        The record as it is sent, yours to change: `input`, `output`, `task_id`, `session_id`,
        `user_id`, `metadata`, and more. That of a stream is complete when the stream is over.
    """
    return (_client or _find_client()).log(
        input,
        output,
        session_id=session_id,
        task_id=task_id,
        user_id=user_id,
        version_id=version_id,
        metadata=metadata,
        flag=flag,
        created_at=created_at,
        raw_input=raw_input,
        raw_output=raw_output,
        input_to_str_function=input_to_str_function,
        output_to_str_function=output_to_str_function,
        stream=stream,
        **anything,
    )


def flush(timeout_s: float = 10.0) -> bool:
    """Deliver what was logged before the call; True when the server has acknowledged it all."""
    return True if _client is None else _client.flush(timeout_s)


def shutdown(timeout_s: float = 2.0) -> bool:
    """Flush, then end the sender thread; a later `log` starts it again."""
    return True if _client is None else _client.close(timeout_s)


def stats() -> Stats:
    """Return what became of what was logged since the latest `init`.

    Without `init`, that is since the first `log`. Where settings are found later, what was logged
    before them, and dropped, is no longer in it.
    """
    client = _client or _stand_in
    return Stats() if client is None else client.stats()


def user_feedback(
    task_id: str,
    flag: str | None = None,
    *,
    notes: str | None = None,
    source: str = "user",
    raw_flag: Any = None,
    raw_flag_to_flag: Callable[[Any], str] | None = None,
) -> None:
    """Tell whether an answer was good; delivered after what was logged before, never raises.

    Args:
        task_id: The interaction: `phospho.log(...)["task_id"]`.
        flag: `success` or `failure`.
        notes: The user's words.
        source: Who says so: `user`, or another word of yours.
        raw_flag: What a feedback widget gave, as an emoji; used when `flag` is None.
        raw_flag_to_flag: Turns `raw_flag` into `success` or `failure`.
    """
    (_client or _find_client()).user_feedback(
        task_id,
        flag,
        notes=notes,
        source=source,
        raw_flag=raw_flag,
        raw_flag_to_flag=raw_flag_to_flag,
    )


def new_session() -> str:
    """Return an id for a new conversation."""
    return new_id("session")


def new_task() -> str:
    """Return an id for a new interaction."""
    return new_id("task")
