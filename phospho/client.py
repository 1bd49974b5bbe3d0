"""The client: logs each interaction, by handing its record to the worker; flushes; closes.

What it reads of the server is in `api_client` and `api_lists`.

`log` runs in somebody else's request: it copies and appends, and leaves encoding and sending to
the sender thread. It never raises.
"""

from __future__ import annotations

import binascii
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, cast

from phospho import guard, lifecycle, snapshot
from phospho.api_client import ApiClient
from phospho.config import Settings, read_settings
from phospho.encoding import NOT_JSON, encode
from phospho.feedback import read_flag
from phospho.held_back import HeldBack
from phospho.ids import new_id
from phospho.no_plugins import NoPlugins
from phospho.reading import NO_ANSWER, Reading, read
from phospho.record import RECORD_BYTES, build, pack, read_feedback, read_plain
from phospho.worker import Worker

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from phospho.backlog import Stats
    from phospho.models import Side
    from phospho.plugins import Plugins

_get_ident = threading.get_ident

# What plugins return is bounded as a whole; a record within the limits of its parts fits.
_MAX_RECORD_CHARS = 5_000_000


class Client(ApiClient):
    """Logs interactions to one project, and reads it; several may live in one process.

    Settings that are None come from the environment, as for `phospho.init`. The sender thread
    starts with the first interaction: whoever only reads has none. `log` never raises; what reads
    does, see `ApiClient`.

    Args:
        api_key: The key (`PHOSPHO_API_KEY`).
        project_id: The project (`PHOSPHO_PROJECT_ID`).
        base_url: Where the server answers (`PHOSPHO_BASE_URL`).
        version_id: Which release of your app answers (`PHOSPHO_VERSION_ID`).
        tick: Seconds the sender waits for more before it sends what there is.
        sample_rate: The share of sessions to send, 0 to 1 (`PHOSPHO_SAMPLE_RATE`).
        spool_dir: A folder that keeps what is logged until it is sent (`PHOSPHO_SPOOL_DIR`).
        spool_fsync: Whether each record is forced onto the disk (`PHOSPHO_SPOOL_FSYNC`).
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
        spool_dir: str | PathLike[str] | None = None,
        spool_fsync: bool | None = None,
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
                spool_dir=spool_dir,
                spool_fsync=spool_fsync,
            ),
            _load_plugins(plugins),
        )

    @classmethod
    def without_settings(cls) -> Client:
        """Return a client that makes records and counts them as dropped; never raises.

        It stands in where `init` is missing or something is broken, so it has no plugins but the
        built-in ones, and where these cannot be loaded none.
        """
        try:
            plugins = _load_plugins((), entry_points=False)
        except Exception as exc:  # noqa: BLE001 - the app must not be hurt
            guard.report_failure("load its own plugins", exc)
            plugins = cast("Plugins", NoPlugins())
        client = cls.__new__(cls)
        client._set_up(Settings(is_disabled=True), plugins, "not_initialised")  # noqa: SLF001 - its own class
        return client

    def _set_up(self, settings: Settings, plugins: Plugins, unsent_reason: str = "") -> None:
        self._settings = settings
        self.plugins = plugins
        # Known once plugins are complete, which waits for the first log.
        self._has_before_send: bool | None = None
        self._held_back = HeldBack()
        self._is_sampling = settings.sample_rate < 1
        self._worker = self._make_worker(settings)
        self._unsent_reason = unsent_reason or ("disabled" if settings.is_disabled else "")

    def _make_worker(self, settings: Settings) -> Worker:
        """Return what delivers; `phospho.testing` has another one."""
        return Worker(settings)

    def log(
        self,
        /,
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
        """Log an interaction; see `phospho.log`."""
        try:
            if type(input) is str and raw_input is None and input_to_str_function is None:
                heard = read_plain(input)
            else:
                heard = self.read("input", input, raw=raw_input, to_text=input_to_str_function)
            if stream and _is_stream(output):
                fields = {
                    "session_id": session_id,
                    "task_id": task_id,
                    "user_id": user_id,
                    "version_id": version_id,
                    "metadata": metadata,
                    "flag": flag,
                    "created_at": created_at,
                }
                return self._log_stream(heard, output, output_to_str_function, fields, anything)
            if type(output) is str and raw_output is None and output_to_str_function is None:
                said = read_plain(output)
            elif output is None and raw_output is None and output_to_str_function is None:
                said = NO_ANSWER
            else:
                said = self.read("output", output, raw=raw_output, to_text=output_to_str_function)
            record = self.log_readings(
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
            ids = {
                "session_id": session_id,
                "task_id": task_id,
                "user_id": user_id,
                "version_id": version_id,
            }
            record = self._log_what_is_left(input, output, ids)
        if stream and type(output) is not str:
            # The app goes through it, whatever it is.
            record["output"] = output
        return record

    def _log_stream(
        self,
        heard: Reading,
        output: Any,
        to_text: Callable[[Any], Any] | None,
        fields: Mapping[str, Any],
        anything: Mapping[str, Any],
    ) -> dict[str, Any]:
        from phospho.streamed_log import log_stream

        return log_stream(self, heard, output, to_text, fields, anything)

    def read(
        self,
        side: Side,
        value: Any,
        *,
        raw: Any = None,
        to_text: Callable[[Any], str] | None = None,
    ) -> Reading:
        """Read one side now, to log it later whatever becomes of the value meanwhile."""
        return read(value, side, self.plugins, raw=raw, to_text=to_text)

    def build(
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
        """Return the record that `log_readings` would log."""
        return build(
            self._settings, heard, said, at_ms, session_id, task_id, user_id, version_id, metadata,
            flag, created_at, anything,
        )[0]  # fmt: skip

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
        *,
        steps: Sequence[dict[str, Any]] = (),
        is_late: bool = False,
    ) -> dict[str, Any]:
        """Log an interaction whose sides were read before.

        `heard` is what the user said, `said` what the app answered, `at_ms` when the interaction
        began in UTC milliseconds, `steps` those of `Steps.as_list`; all other arguments are those
        of `phospho.log`. `is_late` tells that it began earlier, maybe on another thread.
        """
        return self._hand_over(
            *build(
                self._settings,
                heard,
                said,
                at_ms,
                session_id,
                task_id,
                user_id,
                version_id,
                metadata,
                flag,
                created_at,
                anything,
                steps,
            ),
            is_late=is_late,
        )

    def _hand_over(
        self, record: dict[str, Any], size: int, is_plain: bool, *, is_late: bool = False
    ) -> dict[str, Any]:
        """Queue the record unless something forbids it; return the caller's own copy."""
        worker = self._worker
        if self._unsent_reason:
            worker.count_unsent(self._unsent_reason)
        elif worker.sending_thread == _get_ident() and not is_late:
            # A log handler or an instrumented HTTP stack reports on our own request. But a stream
            # that the app dropped may be found there by the garbage collector.
            worker.count_unsent("own_traffic")
        elif self._is_sampling and not _is_sampled(
            record["session_id"], self._settings.sample_rate
        ):
            worker.count_unsent(None)
        else:
            if self._has_before_send is None and not self._learn_of_before_send():
                self._hold_back(partial(self._hand_over, record, size, is_plain, is_late=is_late))
                return dict(record)
            if self._has_before_send:
                with guard.nesting() as is_too_deep:
                    sent, why_not = (
                        (None, "before_send_failed")
                        if is_too_deep
                        else self.plugins.before_send(record)
                    )
                if why_not:
                    worker.count_unsent(why_not)
                    return record
                copied = snapshot.take(sent, _MAX_RECORD_CHARS)
                record, size = copied.value, copied.size + RECORD_BYTES
                is_plain = False
            if is_plain:
                held: Any = pack(record)
            else:
                held, size = _freeze(record, size)
            # Whatever fails from here on, it is logged: it must not be logged again.
            with guard.guarded("queue an interaction"):
                worker.put((size, held, None))
        return record

    def _learn_of_before_send(self) -> bool:
        """Learn whether a plugin wants to see each record; False while plugins are being loaded.

        They are loaded with the first record, further up the stack where loading itself logs, or a
        signal handler that interrupts it.
        """
        if not self.plugins.complete():
            return False
        self._has_before_send = self.plugins.has("phospho_before_send")
        self._held_back.release()
        return True

    def _hold_back(self, hand_over: Callable[[], object]) -> None:
        if not self._held_back.add(hand_over):
            self._worker.count_unsent("queue_full")
        # Whoever loaded the plugins may be done meanwhile, and have found nothing here.
        elif self._has_before_send is not None:
            self._held_back.release()

    def _is_all_handed_over(self) -> bool:
        """Tell whether nothing waits for plugins; they may be complete since the last log."""
        if self._held_back:
            self._learn_of_before_send()
        return not self._held_back

    def _log_what_is_left(self, input: Any, output: Any, ids: dict[str, Any]) -> dict[str, Any]:
        """Return, and if possible send, a record without what could not be read."""
        heard = input if type(input) is str else ""
        said = output if type(output) is str else None
        kept = {name: value for name, value in ids.items() if type(value) in {str, int}}
        try:
            return self.log_readings(
                read_plain(heard),
                NO_ANSWER if said is None else read_plain(said),
                time.time_ns() // 1_000_000,
                metadata={"phospho_error": "not readable"},
                **kept,
            )
        except Exception as exc:  # noqa: BLE001 - the app must not be hurt
            guard.report_once("log:twice", "phospho could not log at all: %s", type(exc).__name__)
            return {"task_id": new_id("task"), "input": heard, "output": said, **kept}

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
            told = read_feedback(
                {"task_id": task_id, "flag": verdict, "notes": notes, "source": source}
            )
            if verdict is None and notes is None:
                raise ValueError("beside a task_id, it needs a flag, a raw_flag or notes")
            if self._unsent_reason:
                return
            self._hand_over_feedback(told)

    def _hand_over_feedback(self, told: dict[str, Any]) -> None:
        """Queue feedback as plugins want it sent."""
        if self._has_before_send is None and not self._learn_of_before_send():
            self._hold_back(partial(self._hand_over_feedback, told))
            return
        if self.plugins.has("phospho_before_send_feedback"):
            changed = self._change_feedback(told)
            if changed is None:
                return
            told = changed
        body = {
            "human_eval": told["flag"],
            "project_id": self._settings.project_id,
            "source": told["source"],
            "notes": told["notes"],
        }
        self._worker.put((RECORD_BYTES + len(body["notes"] or ""), body, told["task_id"]))

    def _change_feedback(self, told: dict[str, Any]) -> dict[str, Any] | None:
        """Return feedback as plugins want it sent; None, and counted, where it is not sent."""
        with guard.nesting() as is_too_deep:
            changed, why_not = (
                (None, "before_send_failed")
                if is_too_deep
                else self.plugins.before_send_feedback(
                    {"project_id": self._settings.project_id, **told}
                )
            )
        if changed is not None:
            with guard.guarded("read the feedback that a plugin returned"):
                return read_feedback(changed)
            why_not = "before_send_failed"
        self._worker.count_unsent(f"feedback_{why_not}")
        return None

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Deliver what was logged before; True when the server has acknowledged all of it."""
        with guard.guarded("flush"):
            is_all = self._is_all_handed_over()
            return self._worker.flush(_read_timeout(timeout_s)) and is_all
        return False

    def close(self, timeout_s: float = 2.0) -> bool:
        """Flush, then end the sender thread; a later `log` starts it again."""
        with guard.guarded("close"):
            self._close_calls()
            is_all = self._is_all_handed_over()
            return self._worker.close(_read_timeout(timeout_s)) and is_all
        return False

    def hand_over_spool(self) -> None:
        """Leave what is on disk to the next client with the same folder; after `close`."""
        with guard.guarded("leave its spool to another client"):
            self._worker.release_spool()

    def stats(self) -> Stats:
        """Return what became of everything logged with this client."""
        return replace(self._worker.stats(), plugin_failures=self.plugins.failures())

    def __enter__(self) -> Self:
        """Return the client; leaving the block closes it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the client, and leave what it could not send to the next one."""
        if not self.close():
            self.hand_over_spool()


def _is_stream(value: Any) -> bool:
    from phospho.attaching import is_stream

    return is_stream(value, declared=True)


def _load_plugins(plugins: Iterable[object], *, entry_points: bool = True) -> Plugins:
    with lifecycle.loading:
        from phospho.plugins import Plugins

        return Plugins(plugins, entry_points=entry_points, built_in=())


def _freeze(record: dict[str, Any], size: int) -> tuple[Any, int]:
    """Return a record with containers as it waits: its JSON takes an eighth of the memory."""
    try:
        text = encode(record)
    except NOT_JSON:
        return snapshot.copy_again(record), size
    return text, len(text)


def _read_timeout(timeout_s: Any) -> float:
    return min(max(float(timeout_s), 0.0), threading.TIMEOUT_MAX)


def _is_sampled(session_id: str, rate: float) -> bool:
    """Decide by the session's id, so that a conversation is sent whole or not at all."""
    return binascii.crc32(session_id.encode()) < rate * 0x1_0000_0000
