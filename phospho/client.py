"""The client: makes a record of each interaction and hands it to the worker.

`log` runs in somebody else's request: it copies and appends, and leaves encoding and sending to
the sender thread. It never raises.
"""

from __future__ import annotations

import binascii
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from phospho import guard, snapshot
from phospho.backlog import Item, Stats
from phospho.config import Settings, read_settings
from phospho.context import Context, find_context
from phospho.feedback import read_flag
from phospho.ids import new_id
from phospho.reading import Reading, read
from phospho.worker import Worker

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from phospho.models import Side
    from phospho.plugins import Plugins

_get_ident = threading.get_ident

# Twice as fast as calling a NamedTuple, for the two that every call makes.
_tuple_of = tuple.__new__

# What a queued record takes besides its texts: the dict, its ids and numbers, the queue's entry.
RECORD_BYTES = 250

STATUSES = frozenset({"ok", "incomplete", "cancelled", "error"})

_TIME_KEYS = ("client_created_at", "client_created_at_ms")
_OWN_KEYS = frozenset(
    {*_TIME_KEYS, "project_id", "raw_input_type_name", "raw_output_type_name", "truncated"}
)
# What plugins return is bounded as a whole; a record within the limits of its parts fits.
_MAX_RECORD_CHARS = 5_000_000
_MAX_SECONDS = 253_402_300_799  # the end of the year 9999, as far as calendars reach


class Client:
    """Logs interactions to one project; several may live in one process.

    Settings that are None come from the environment, as for `phospho.init`. The sender thread
    starts with the first interaction.

    Args:
        api_key: The key (`PHOSPHO_API_KEY`).
        project_id: The project (`PHOSPHO_PROJECT_ID`).
        base_url: Where the server answers (`PHOSPHO_BASE_URL`).
        version_id: Which release of your app answers (`PHOSPHO_VERSION_ID`).
        tick: Seconds the sender waits for more before it sends what there is.
        sample_rate: The share of sessions to send, 0 to 1 (`PHOSPHO_SAMPLE_RATE`).
        plugins: Modules or objects that implement hooks of `phospho/hookspecs.py`.

    Raises:
        ConfigurationError: When a setting is missing or unusable.
        PluginError: When a plugin implements a hook that does not exist.
    """

    def __init__(
        self,
        api_key: str | None = None,
        project_id: str | None = None,
        *,
        base_url: str | None = None,
        version_id: str | None = None,
        tick: float = 0.5,
        sample_rate: float | None = None,
        plugins: Iterable[object] = (),
    ) -> None:
        self._set_up(
            read_settings(
                api_key,
                project_id,
                base_url=base_url,
                version_id=version_id,
                tick=tick,
                sample_rate=sample_rate,
            ),
            _load_plugins(plugins),
        )

    @classmethod
    def without_settings(cls) -> Client:
        """Return a client that makes records and counts them as dropped: `init` is missing."""
        client = cls.__new__(cls)
        client._set_up(Settings(is_disabled=True), _load_plugins(()), "not_initialised")  # noqa: SLF001 - its own class
        return client

    def _set_up(self, settings: Settings, plugins: Plugins, unsent_reason: str = "") -> None:
        self._settings = settings
        self._plugins = plugins
        self._has_before_send = plugins.has("phospho_before_send")
        self._is_sampling = settings.sample_rate < 1
        self._worker = Worker(settings)
        self._unsent_reason = unsent_reason or ("disabled" if settings.is_disabled else "")

    def log(
        self,
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
        stream: bool = False,  # noqa: ARG002 - reserved; see `phospho.log`
        **anything: Any,
    ) -> dict[str, Any]:
        """Log an interaction; see `phospho.log`."""
        try:
            if type(input) is str and raw_input is None and input_to_str_function is None:
                heard = _read_plain(input)
            else:
                heard = self.read("input", input, raw=raw_input, to_text=input_to_str_function)
            if type(output) is str and raw_output is None and output_to_str_function is None:
                said = _read_plain(output)
            elif output is None and raw_output is None and output_to_str_function is None:
                said = _NO_ANSWER
            else:
                said = self.read("output", output, raw=raw_output, to_text=output_to_str_function)
            return self.log_readings(
                heard,
                said,
                time.time_ns() // 1_000_000,
                session_id,
                task_id,
                user_id,
                version_id,
                metadata,
                flag,
                created_at,
                anything,
            )
        except Exception as exc:  # noqa: BLE001 - the app must not be hurt
            guard.report_failure("log an interaction", exc)
            return self._log_what_is_left(input, output)

    def read(
        self,
        side: Side,
        value: Any,
        *,
        raw: Any = None,
        to_text: Callable[[Any], str] | None = None,
    ) -> Reading:
        """Read one side now, to log it later whatever becomes of the value meanwhile."""
        return read(value, side, self._plugins, raw=raw, to_text=to_text)

    def log_readings(
        self,
        heard: Reading,
        said: Reading,
        at_ms: int,
        session_id: Any = None,
        task_id: Any = None,
        user_id: Any = None,
        version_id: Any = None,
        metadata: Any = None,
        flag: Any = None,
        created_at: Any = None,
        anything: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Log an interaction whose sides were read before.

        `heard` is what the user said, `said` what the app answered, `at_ms` when the interaction
        began in UTC milliseconds; all other arguments are those of `phospho.log`.
        """
        context = find_context()
        if context is not None:
            session_id, user_id, version_id, metadata = _inherit(
                context, session_id, user_id, version_id, metadata
            )
        size = heard.size + said.size + RECORD_BYTES
        own: dict[str, Any] = {}
        is_cut = is_deep = False
        if metadata:
            own, own_size, is_cut, is_deep = _copy_metadata(metadata)
            size += own_size
        record: dict[str, Any] = {
            "client_created_at": at_ms // 1000,
            "client_created_at_ms": at_ms,
            "project_id": self._settings.project_id,
            "session_id": _read_id(session_id) or new_id("session", at_ms),
            "task_id": _read_id(task_id) or new_id("task", at_ms),
            "input": heard.text,
            "raw_input": heard.raw,
            "raw_input_type_name": heard.type_name,
            "output": said.text,
            "raw_output": said.raw,
            "raw_output_type_name": said.type_name,
            "version_id": _read_id(version_id) or self._settings.version_id,
            "user_id": _read_id(user_id),
            "metadata": own,
            "flag": None,
        }
        is_plain = heard.facts is said.facts is heard.raw is said.raw is None
        if not is_plain:
            _add_facts(record, heard)
            _add_facts(record, said)
        if anything:
            size += _add_anything(record, anything)
        if flag is not None:
            _add_flag(record, flag)
        if created_at is not None:
            _add_time(record, created_at)
        if is_cut or heard.cut or said.cut:
            _add_cuts(record, heard, said, is_metadata_cut=is_cut)
        return self._hand_over(record, size, is_flat=is_plain and not (is_deep or anything))

    def _hand_over(self, record: dict[str, Any], size: int, *, is_flat: bool) -> dict[str, Any]:
        """Queue the record unless something forbids it; return the caller's own copy."""
        worker = self._worker
        if self._unsent_reason:
            worker.count_unsent(self._unsent_reason)
        elif worker.sending_thread == _get_ident():
            # A log handler or an instrumented HTTP stack reports on our own request.
            worker.count_unsent("own_traffic")
        elif self._is_sampling and not _is_sampled(
            record["session_id"], self._settings.sample_rate
        ):
            worker.count_unsent(None)
        else:
            if self._has_before_send:
                sent = self._plugins.before_send(record)
                if sent is None:
                    worker.count_unsent("before_send")
                    return record
                copied = snapshot.take(sent, _MAX_RECORD_CHARS)
                record, size = copied.value, copied.size + RECORD_BYTES
                is_flat = False
            if is_flat:
                returned = record.copy()
                returned["metadata"] = record["metadata"].copy()
            else:
                returned = snapshot.copy_again(record)
            worker.put(_tuple_of(Item, (size, record, None)))
            return returned
        return record

    def _log_what_is_left(self, input: Any, output: Any) -> dict[str, Any]:
        """Return, and if possible send, a record without what could not be read."""
        texts = [value if type(value) is str else None for value in (input, output)]
        try:
            return self.log(texts[0] or "", texts[1], metadata={"phospho_error": "not readable"})
        except Exception as exc:  # noqa: BLE001 - the app must not be hurt
            guard.report_once("log:twice", "phospho could not log at all: %s", type(exc).__name__)
            return {"input": texts[0] or "", "output": texts[1], "task_id": new_id("task")}

    def user_feedback(
        self,
        task_id: str,
        flag: str | None = None,
        *,
        notes: str | None = None,
        source: str = "user",
        raw_flag: Any = None,
        raw_flag_to_flag: Callable[[Any], str] | None = None,
    ) -> None:
        """Tell whether an answer was good; see `phospho.user_feedback`."""
        with guard.guarded("take user feedback"):
            verdict = read_flag(flag, raw_flag, raw_flag_to_flag)
            about = _read_id(task_id)
            if about is None or (verdict is None and notes is None):
                raise ValueError("it needs a task_id, and a flag, a raw_flag or notes")
            if self._unsent_reason:
                return
            body = {
                "human_eval": verdict,
                "project_id": self._settings.project_id,
                "source": _read_id(source) or "user",
                "notes": None if notes is None else snapshot.clean_text(str(notes)),
            }
            self._worker.put(Item(RECORD_BYTES + len(body["notes"] or ""), body, about))

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Deliver what was logged before; True when the server has acknowledged all of it."""
        with guard.guarded("flush"):
            return self._worker.flush(_read_timeout(timeout_s))
        return False

    def close(self, timeout_s: float = 2.0) -> bool:
        """Flush, then end the sender thread; a later `log` starts it again."""
        with guard.guarded("close"):
            return self._worker.close(_read_timeout(timeout_s))
        return False

    def stats(self) -> Stats:
        """Return what became of everything logged with this client."""
        return self._worker.stats()

    def __enter__(self) -> Self:
        """Return the client; leaving the block closes it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the client."""
        self.close()


_NO_ANSWER = Reading(None, type_name="NoneType")


def _load_plugins(plugins: Iterable[object]) -> Plugins:
    from phospho.plugins import EXTRACTORS, Plugins

    return Plugins(plugins, built_in=EXTRACTORS)


def _read_plain(text: str) -> Reading:
    """Read a true `str`: the usual case, so nothing else is looked at."""
    size = len(text)
    if size <= snapshot.MAX_TEXT_CHARS:
        clean = text if text.isascii() else snapshot.clean_text(text)
        return _tuple_of(Reading, (clean, None, "str", size, None, ()))
    return Reading(snapshot.clean_text(text), None, "str", snapshot.MAX_TEXT_CHARS, None, ("text",))


def _inherit(
    context: Context, session_id: Any, user_id: Any, version_id: Any, metadata: Any
) -> tuple[Any, Any, Any, Any]:
    """Fill in what the call leaves open from the enclosing `phospho.session`."""
    if context.metadata:
        own = metadata if isinstance(metadata, Mapping) else {"metadata": metadata}
        metadata = {**context.metadata, **(own if metadata else {})}
    return (
        session_id or context.session_id,
        user_id or context.user_id,
        version_id or context.version_id,
        metadata,
    )


def _copy_metadata(metadata: Any) -> tuple[dict[str, Any], int, bool, bool]:
    """Return a copy, its size, whether it was cut, and whether it may hold containers."""
    flat = snapshot.take_flat(metadata)
    if flat is not None:
        return flat[0], flat[1], False, False
    copied = snapshot.take(metadata, snapshot.MAX_METADATA_CHARS)
    own = copied.value if isinstance(copied.value, dict) else {"metadata": copied.value}
    return own, copied.size, copied.is_cut, True


def _read_id(value: Any) -> str | None:
    """Return an id as text; None for one that is not there or empty."""
    if value is None:
        return None
    if type(value) is str and value.isascii() and len(value) <= snapshot.MAX_ID_CHARS:
        return value or None
    copied = snapshot.take(value, snapshot.MAX_ID_CHARS).value
    return str(copied) or None


def _read_timeout(timeout_s: Any) -> float:
    return min(max(float(timeout_s), 0.0), threading.TIMEOUT_MAX)


def _is_sampled(session_id: str, rate: float) -> bool:
    """Decide by the session's id, so that a conversation is sent whole or not at all."""
    return binascii.crc32(session_id.encode()) < rate * 0x1_0000_0000


def _add_facts(record: dict[str, Any], reading: Reading) -> None:
    """Add what an extractor found; its further facts become metadata where the app gave none."""
    facts = reading.facts
    if facts is None:
        return
    found = {
        **{name: facts.usage.get(name) for name in _USAGE_KEYS},
        "model": facts.model,
        "system_prompt": facts.system_prompt,
        "finish_reason": facts.finish_reason,
        "tool_calls": list(facts.tool_calls) or None,
    }
    for name, value in found.items():
        if value is not None:
            record[name] = snapshot.take(value, snapshot.MAX_RAW_CHARS).value
    extra = snapshot.take(dict(facts.extra), snapshot.MAX_METADATA_CHARS).value
    record["metadata"] = {**extra, **record["metadata"]}


_USAGE_KEYS = ("prompt_tokens", "completion_tokens", "total_tokens")


def _add_anything(record: dict[str, Any], anything: Mapping[str, Any]) -> int:
    """Add the app's own keywords as it wrote them; names that are taken go into metadata."""
    copied = snapshot.take(dict(anything), snapshot.MAX_METADATA_CHARS)
    for name, value in copied.value.items():
        if name in _OWN_KEYS or (name in _CHECKED_KEYS and not _CHECKED_KEYS[name](value)):
            record["metadata"].setdefault(name, value)
        else:
            record[name] = value
    if copied.is_cut:
        record["truncated"] = ["keywords"]
    return copied.size


# Names with a meaning of their own, which an app may use with another one.
_CHECKED_KEYS: dict[str, Callable[[Any], bool]] = {
    "status": lambda status: status in STATUSES,
    "error": lambda error: isinstance(error, dict) and {"type", "message"} <= error.keys(),
}


def _add_flag(record: dict[str, Any], flag: Any) -> None:
    with guard.guarded("take a flag"):
        record["flag"] = read_flag(flag)
        return
    record["metadata"].setdefault("flag", snapshot.take(flag, snapshot.MAX_ID_CHARS).value)


def _add_time(record: dict[str, Any], created_at: Any) -> None:
    """Add when the interaction took place, in seconds and, where known, milliseconds."""
    with guard.guarded("take created_at"):
        seconds = _read_seconds(created_at)
        record["created_at"] = int(seconds)
        if seconds != int(seconds):
            record["created_at_ms"] = int(seconds * 1000)
        return
    record["metadata"].setdefault(
        "created_at", snapshot.take(created_at, snapshot.MAX_ID_CHARS).value
    )


def _read_seconds(created_at: Any) -> float:
    if isinstance(created_at, bool):
        raise TypeError("created_at is a datetime or seconds since 1970, not True or False")
    timestamp = getattr(created_at, "timestamp", None)
    seconds = float(timestamp() if callable(timestamp) else created_at)
    if not 0 <= seconds <= _MAX_SECONDS:
        raise ValueError("created_at is a datetime or seconds since 1970, not milliseconds")
    return seconds


def _add_cuts(
    record: dict[str, Any], heard: Reading, said: Reading, *, is_metadata_cut: bool
) -> None:
    """List what was cut to the limits, so that nobody takes it for the whole."""
    cut = list(record.get("truncated", ()))
    for side, reading in (("input", heard), ("output", said)):
        cut += [side if part == "text" else f"raw_{side}" for part in reading.cut]
    record["truncated"] = cut + ["metadata"] * is_metadata_cut
