"""What `phospho.testing` shows is what would arrive; the process is as before when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import phospho
import phospho.testing
from phospho import Client, default, guard
from phospho.backlog import Item, Stats
from phospho.errors import ConfigurationError, PluginError
from phospho.testing import CaptureClient, Logged, capture
from tests.conftest import ClientFactory
from tests.hostile import HOSTILE
from tests.loopback import Loopback
from tests.processes import run_script
from tests.test_plugins import plugin
from tests.test_snapshot import anything
from tests.waiting import PATIENCE_S


class Reply:
    def __init__(self, body: str) -> None:
        self.body = body


def read_reply(value: Any) -> str | None:
    return value.body if isinstance(value, Reply) else None


def redact(interaction: dict[str, Any]) -> dict[str, Any] | None:
    if interaction["input"] == "drop me":
        return None
    return {**interaction, "input": interaction["input"].replace("1234", "****")}


REDACTING = plugin("redacting", phospho_before_send=redact, phospho_extract_output=read_reply)


def fail(value: Any) -> None:
    raise ZeroDivisionError("the plugin's own mistake")


def is_balanced(stats: Stats) -> bool:
    lost = sum(n for why, n in stats.dropped.items() if not why.startswith("feedback"))
    return stats.logged == stats.sent + stats.queued + stats.spooled + stats.not_sampled + lost


def test_what_the_app_logs_is_there_in_order() -> None:
    @phospho.wrap
    def answer(question: str) -> str:
        return "Hello!"

    with capture() as logged:
        answer("Hi")
        with phospho.session("s", user_id="u", metadata={"plan": "pro"}):
            record = phospho.log("And now?", {"answer": "Nothing"})
        phospho.user_feedback(record["task_id"], raw_flag="👎", notes="rude", source="reviewer")
    assert (logged.inputs, logged.outputs) == (["Hi", "And now?"], ["Hello!", "Nothing"])
    assert logged.interactions[1] == record
    assert (record["session_id"], record["user_id"]) == ("s", "u")
    assert logged.feedback == [
        {"task_id": record["task_id"], "flag": "failure", "notes": "rude", "source": "reviewer"}
    ]
    assert len(logged) == 2
    assert logged.unsent == []


def test_nothing_leaves_and_no_thread_starts(loopback: Loopback) -> None:
    threads = threading.enumerate()
    with capture() as logged:
        phospho.init("key", "proj", base_url=loopback.url, tick=0)
        phospho.log("i")
        phospho.user_feedback("t", "success")
        assert phospho.flush()
        assert phospho.shutdown()
        phospho.log("after the shutdown")
        assert [t for t in threading.enumerate() if t.name == "phospho-sender"] == []
    assert loopback.connections == 0
    assert threading.enumerate() == threads
    assert logged.inputs == ["i", "after the shutdown"]


def test_nothing_is_written_to_a_spool(tmp_path: Path) -> None:
    with capture() as logged:
        phospho.init(spool_dir=tmp_path / "spool")
        phospho.log("i")
    assert logged.inputs == ["i"]
    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize("environ", [{}, {"PHOSPHO_DISABLED": "1"}, {"PHOSPHO_API_KEY": " "}])
@pytest.mark.parametrize("calls_init", [True, False])
def test_no_settings_are_needed(
    environ: dict[str, str],
    calls_init: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with capture() as logged:
        if calls_init:
            phospho.init()
        phospho.log("i")
    assert logged.inputs == ["i"]
    assert caplog.records == []


def test_settings_of_the_environment_count(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PROJECT_ID": "proj", "VERSION_ID": "v7", "API_KEY": "key"}.items():
        monkeypatch.setenv(f"PHOSPHO_{name}", value)
    with capture() as logged:
        phospho.log("i")
    [record] = logged.interactions
    assert (record["project_id"], record["version_id"]) == ("proj", "v7")


class TestInit:
    def test_inside_the_block_its_settings_take_effect(self) -> None:
        with capture() as logged:
            phospho.log("before")
            phospho.init(plugins=[REDACTING], version_id="v1")
            returned = phospho.log("pin 1234", Reply("ok"))
            phospho.log("drop me")
            assert phospho.stats() == Stats(logged=2, sent=1, dropped={"before_send": 1})
            phospho.init("key", "proj", sample_rate=0, base_url="https://example.com")
            phospho.log("not sampled")
            assert phospho.stats() == Stats(logged=1, not_sampled=1)
        assert logged.inputs == ["before", "pin ****"]
        assert logged.interactions[1] == returned
        assert (returned["output"], returned["version_id"]) == ("ok", "v1")
        assert logged.unsent == ["before_send", "not_sampled"]

    def test_before_the_block_its_settings_take_effect(self, loopback: Loopback) -> None:
        phospho.init("key", "proj", base_url=loopback.url, version_id="v1", plugins=[REDACTING])
        phospho.log("for the server")
        before = phospho.stats()
        with capture() as logged:
            phospho.log("pin 1234", Reply("ok"))
            assert phospho.stats() == Stats(logged=1, sent=1)
        assert phospho.stats().logged == before.logged == 1
        phospho.log("for the server too")
        assert phospho.flush()
        assert [event["input"] for event in loopback.events] == [
            "for the server", "for the server too",
        ]  # fmt: skip
        [record] = logged.interactions
        assert (record["input"], record["output"], record["version_id"]) == ("pin ****", "ok", "v1")
        assert record["project_id"] == "proj"

    def test_before_the_block_it_may_have_been_turned_off(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PHOSPHO_DISABLED", "1")
        phospho.init(version_id="v1")
        with capture() as logged:
            phospho.log("i")
        assert logged.interactions[0]["version_id"] == "v1"
        phospho.log("j")
        assert phospho.stats().dropped == {"disabled": 1}

    @pytest.mark.parametrize(
        "bad",
        [
            {"sample_rate": 7},
            {"tick": -1},
            {"base_url": "nowhere"},
            {"api_key": "schlüssel"},
            {"project_id": 7},
        ],
        ids=str,
    )
    def test_bad_settings_are_refused_and_the_capture_goes_on(self, bad: dict[str, Any]) -> None:
        with capture() as logged:
            with pytest.raises(ConfigurationError, match=next(iter(bad))):
                phospho.init(**bad)
            phospho.log("i")
        assert logged.inputs == ["i"]

    def test_a_misspelt_hook_is_refused(self) -> None:
        with capture(), pytest.raises(PluginError, match="phospho_before_sent"):
            phospho.init(plugins=[plugin(phospho_before_sent=redact)])

    def test_a_setting_that_cannot_be_used_opens_no_block(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PHOSPHO_SAMPLE_RATE", "7")
        with pytest.raises(ConfigurationError, match="PHOSPHO_SAMPLE_RATE"), capture():
            pass
        assert phospho.testing._open == []
        assert (default._client, default._make_client) == (None, Client)

    def test_a_broken_installation_is_not_taken_for_the_apps_client(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PHOSPHO_API_KEY", "key")
        monkeypatch.setenv("PHOSPHO_PROJECT_ID", "proj")
        with monkeypatch.context() as patch:
            patch.setattr("pluggy.PluginManager", fail)
            phospho.log("i")
        with capture() as logged:
            phospho.log("j")
        assert logged.inputs == ["j"]
        assert phospho.stats().dropped == {"not_initialised": 1}


class TestTheEndOfABlock:
    def test_the_former_client_is_back(self) -> None:
        phospho.init("key", "proj", base_url="http://127.0.0.1:9")
        former = default.get_client()
        with capture():
            phospho.init()
            assert default.get_client() is not former
        assert default.get_client() is former
        assert default._make_client is Client

    def test_an_app_without_client_has_none_again(self, caplog: pytest.LogCaptureFixture) -> None:
        with capture():
            phospho.log("i")
        assert default._client is None
        phospho.log("i")
        assert phospho.stats().dropped == {"not_initialised": 1}

    def test_exceptions_pass_through(self) -> None:
        mistake = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt) as caught, capture(raise_errors=True):
            raise mistake
        assert caught.value is mistake
        assert default._client is None
        assert guard._raise_under_test is False

    def test_an_init_that_is_under_way_leaves_nothing_behind(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        is_made = threading.Event()
        make = CaptureClient.__init__

        def make_slowly(self: CaptureClient, *args: Any, **settings: Any) -> None:
            make(self, *args, **settings)
            is_made.set()
            time.sleep(0.05)

        with capture():
            monkeypatch.setattr(CaptureClient, "__init__", make_slowly)
            thread = threading.Thread(target=phospho.init)
            thread.start()
            assert is_made.wait(PATIENCE_S)
        thread.join()
        assert default._client is None

    def test_a_plugin_that_kept_failing_in_it_works_elsewhere(self) -> None:
        failures = []

        def extract(value: Any) -> str:
            failures.append(value)
            raise ValueError("not yet")

        phospho.init("k", "p", plugins=[plugin(phospho_extract_input=extract)])
        for _ in range(2):
            with capture():
                for number in range(7):
                    phospho.log([number])
        assert len(failures) == 10
        default.get_client().read("input", [1])
        assert len(failures) == 11

    def test_of_nested_blocks_the_innermost_keeps(self) -> None:
        with capture() as outer:
            phospho.init(version_id="outer")
            with capture() as inner:
                phospho.log("a")
                phospho.init(version_id="inner")
                phospho.log("b")
            phospho.log("c")
        assert [record["version_id"] for record in inner.interactions] == ["outer", "inner"]
        assert (inner.inputs, outer.inputs) == (["a", "b"], ["c"])
        assert outer.interactions[0]["version_id"] == "outer"

    @pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (1, 2, 0), (0, 2, 1)], ids=str)
    def test_blocks_of_concurrent_tasks_end_in_any_order(self, order: tuple[int, ...]) -> None:
        phospho.init("k", "p", base_url="http://127.0.0.1:9")
        former = default.get_client()
        blocks = [capture(raise_errors=number == 1) for number in range(3)]
        logged = [block.__enter__() for block in blocks]
        for place in order:
            phospho.log("i")
            blocks[place].__exit__(None, None, None)
        assert sum(map(len, logged)) == 3
        assert default.get_client() is former
        assert default._make_client is Client
        assert guard._raise_under_test is False
        assert phospho.stats() == Stats()


class TestWhatIsKept:
    def test_it_is_detached_from_what_the_app_changes_later(self) -> None:
        metadata: dict[str, Any] = {"deep": [1]}
        messages = [{"role": "user", "content": "hello"}]
        with capture() as logged:
            records = [phospho.log("a", metadata=metadata), phospho.log({"messages": messages})]
        metadata["deep"].append(2)
        messages.clear()
        records[0]["metadata"]["deep"].append(3)
        records[1]["raw_input"]["messages"].clear()
        assert logged.interactions[0]["metadata"] == {"deep": [1]}
        assert logged.interactions[1]["raw_input"] == {
            "messages": [{"role": "user", "content": "hello"}]
        }

    def test_it_can_be_forgotten(self) -> None:
        with capture() as logged:
            phospho.init(sample_rate=0)
            phospho.log("not sampled")
            phospho.init()
            phospho.log("a")
            phospho.user_feedback("t", "success")
            logged.clear()
            assert logged == Logged()
            phospho.log("b")
            assert phospho.stats() == Stats(logged=2, sent=2)
        assert logged.inputs == ["b"]

    @pytest.mark.parametrize(
        ("about", "reason"), [(None, "rejected"), ("t", "feedback_rejected")], ids=str
    )
    def test_what_cannot_be_encoded_is_seen_not_to_arrive(
        self, about: str | None, reason: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with capture() as logged:
            phospho.log("i")
            default.get_client()._worker.put(Item(1, {"input": float("nan")}, about))
            assert phospho.flush() is False
            assert phospho.flush() is True
            assert phospho.stats().dropped == {reason: 1}
            assert is_balanced(phospho.stats())
        assert (logged.inputs, logged.feedback, logged.unsent) == (["i"], [], [reason])
        assert "could not encode what was logged" in caplog.text
        assert reason in repr(logged)

    def test_its_repr_tells_what_a_failing_test_needs(self) -> None:
        assert repr(Logged()) == "<Logged no interactions>"
        with capture() as logged:
            phospho.log("Hi", "Hello!")
            phospho.log("x" * 1000, status="error")
            phospho.user_feedback("t", "failure")
            phospho.user_feedback("t", notes="rude")
            phospho.init(sample_rate=0)
            phospho.log("i")
            phospho.log("i")
            assert repr(logged) == (
                "<Logged 'Hi' -> 'Hello!', 'xxxxxxxxxxxxxxxxx...xxxxxxxxxxxxxxxxxx' -> None "
                "(error); feedback: failure, None; unsent: 2 not_sampled>"
            )
            phospho.init()
            for number in range(8):
                phospho.log(str(number))
            assert "'2' -> None, and 5 more;" in repr(logged)

    def test_a_record_without_texts_is_one_too(self) -> None:
        with capture() as logged:
            phospho.init(plugins=[plugin(phospho_before_send=lambda interaction: {"a": 1})])
            phospho.log("i")
        assert (logged.inputs, logged.outputs, logged.interactions) == ([None], [None], [{"a": 1}])
        assert repr(logged) == "<Logged None -> None>"


class TestRaisingErrors:
    @pytest.mark.parametrize(
        "log",
        [
            pytest.param(lambda: phospho.log(["i"]), id="extractor"),
            pytest.param(lambda: phospho.log("drop me"), id="before-send"),
            pytest.param(lambda: phospho.wrap(str)(["i"]), id="wrapped"),
        ],
    )
    def test_a_plugins_mistake_is_raised(self, log: Callable[[], Any]) -> None:
        failing = plugin(phospho_extract_input=fail, phospho_before_send=lambda interaction: 1 / 0)
        with capture(raise_errors=True):
            phospho.init(plugins=[failing])
            for _ in range(2):
                with pytest.raises(ZeroDivisionError):
                    log()
        with capture():
            phospho.init(plugins=[failing])
            log()

    def test_an_unusable_argument_is_raised(self) -> None:
        with capture(raise_errors=True) as logged:
            with pytest.raises(ValueError, match="meh"):
                phospho.log("i", flag="meh")
            with pytest.raises(ValueError, match="task_id"):
                phospho.user_feedback("t")
        assert len(logged) == 0

    def test_what_cannot_be_encoded_is_raised(self) -> None:
        client = CaptureClient()
        with capture(raise_errors=True), pytest.raises(ValueError, match="JSON compliant"):
            client._worker.put(Item(1, {"input": float("nan")}))
        assert client.stats().dropped == {"rejected": 1}

    def test_each_block_decides_for_itself(self) -> None:
        with capture(raise_errors=True):
            with capture() as inner:
                phospho.log("i", flag="meh")
            with pytest.raises(ValueError, match="meh"):
                phospho.log("i", flag="meh")
        assert len(inner) == 1
        phospho.log("i", flag="meh")


class TestCaptureClient:
    def test_it_is_a_client_that_sends_nothing(self, loopback: Loopback) -> None:
        with CaptureClient("key", "proj", base_url=loopback.url, plugins=[REDACTING]) as client:
            assert isinstance(client, Client)
            record = client.log("pin 1234", Reply("ok"))
            client.user_feedback(record["task_id"], "success")
            assert client.flush()
        assert client.interactions == client.logged.interactions == [record]
        assert client.feedback[0]["task_id"] == record["task_id"]
        assert (record["input"], record["project_id"]) == ("pin ****", "proj")
        assert client.stats() == Stats(logged=1, sent=1)
        assert loopback.connections == 0

    def test_two_may_keep_in_one_place(self) -> None:
        logged = Logged()
        for number in range(2):
            CaptureClient(logged=logged).log(str(number))
        assert logged.inputs == ["0", "1"]

    def test_each_keeps_its_own_otherwise(self) -> None:
        with capture() as logged:
            client = CaptureClient()
            client.log("a")
            phospho.log("b")
        assert ([r["input"] for r in client.interactions], logged.inputs) == (["a"], ["b"])

    def test_without_settings_it_drops_like_any_client(self) -> None:
        client = CaptureClient.without_settings()
        client.log("i")
        assert isinstance(client, CaptureClient)
        assert client.logged.unsent == ["not_initialised"]
        assert client.stats().dropped == {"not_initialised": 1}


def test_threads_lose_and_mix_nothing() -> None:
    def talk(number: int) -> None:
        with phospho.session(f"s{number}"):
            for turn in range(200):
                phospho.log(str(turn))

    with capture() as logged:
        threads = [threading.Thread(target=talk, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert phospho.stats() == Stats(logged=1600, sent=1600)
    for number in range(8):
        turns = [r["input"] for r in logged.interactions if r["session_id"] == f"s{number}"]
        assert turns == [str(turn) for turn in range(200)]


def test_tasks_of_asyncio_lose_and_mix_nothing() -> None:
    @phospho.wrap
    async def answer(question: str) -> str:
        await asyncio.sleep(0.001)
        return question.upper()

    async def main() -> None:
        await asyncio.gather(*(answer(f"q{number}") for number in range(50)))

    with capture() as logged:
        asyncio.run(main())
    assert set(zip(logged.inputs, logged.outputs, strict=True)) == {
        (f"q{number}", f"Q{number}") for number in range(50)
    }


def modulo_ids_and_times(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without what differs between two calls with the same arguments."""
    made = re.compile(r"(task|session)_[0-9a-f]{32}")
    return {
        name: made.sub(r"\1", value) if name in {"task_id", "session_id"} else value
        for name, value in record.items()
        if name not in {"client_created_at", "client_created_at_ms"}
    }


def arrived(loopback: Loopback) -> list[list[dict[str, Any]]]:
    """Return the interactions and the feedback a server received, as `Logged` has them."""
    feedback = [
        {
            "task_id": unquote(request.path.split("/")[-2]),
            "flag": request.body["human_eval"],
            "notes": request.body["notes"],
            "source": request.body["source"],
        }
        for request in loopback.feedback
    ]
    return [[modulo_ids_and_times(event) for event in loopback.events], feedback]


def captured(logged: Logged) -> list[list[dict[str, Any]]]:
    return [[modulo_ids_and_times(record) for record in logged.interactions], logged.feedback]


IDS = st.sampled_from(["a", "b", "c/d", "é"])
LOGS = st.fixed_dictionaries(
    {
        "input": st.sampled_from(["hi", "pin 1234", "drop me"]) | anything,
        "output": anything,
        # An id that each client makes for itself would be sampled differently.
        "session_id": IDS,
    },
    optional={
        "task_id": IDS,
        "user_id": IDS,
        "metadata": anything,
        "flag": st.sampled_from(["success", "meh"]),
        "created_at": st.sampled_from([1795423617, 1795423617.5, "yesterday"]),
        "raw_output": anything,
        "channel": anything,
    },
)
FEEDBACK = st.tuples(st.sampled_from(["a", "c/d"]), st.sampled_from(["success", "failure"]))


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
@given(calls=st.lists(LOGS | FEEDBACK, max_size=6), sample_rate=st.sampled_from([1.0, 0.5]))
def test_what_is_captured_is_what_a_server_receives(
    make_client: ClientFactory, loopback: Loopback, calls: list[Any], sample_rate: float
) -> None:
    loopback.stored.clear()
    sending = make_client(sample_rate=sample_rate, plugins=[REDACTING])
    capturing = CaptureClient("key", "proj", sample_rate=sample_rate, plugins=[REDACTING])
    for call in calls:
        for client in (sending, capturing):
            client.log(**call) if isinstance(call, dict) else client.user_feedback(*call)
    assert sending.close(PATIENCE_S)
    assert capturing.close()
    assert captured(capturing.logged) == arrived(loopback)
    assert capturing.stats() == sending.stats()
    assert is_balanced(capturing.stats())


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in HOSTILE.items()])
def test_hostile_values_are_captured_as_a_server_receives_them(
    make: Callable[[], Any], client: Client, loopback: Loopback
) -> None:
    capturing = CaptureClient("key", "proj")
    value = make()
    for one in (client, capturing):
        one.log(value, value, metadata={"key": value}, raw_input=value, anything=value)
    assert client.flush()
    assert captured(capturing.logged) == arrived(loopback)


def test_it_works_with_unittest() -> None:
    class BotTest(unittest.TestCase):
        def setUp(self) -> None:
            # What `enterContext` does in Python 3.11 and newer.
            stack = contextlib.ExitStack()
            self.addCleanup(stack.close)
            self.logged = stack.enter_context(capture())

        def test_the_answer(self) -> None:
            phospho.log("Hi", "Hello!")
            self.assertEqual(self.logged.outputs, ["Hello!"])  # noqa: PT009 - it is unittest

    result = unittest.TestResult()
    BotTest("test_the_answer").run(result)
    assert result.wasSuccessful(), result.errors + result.failures
    assert default._client is None


def test_the_fixture_is_such_a_block(phospho_logged: Logged) -> None:
    phospho.log("Hi", "Hello!")
    assert phospho_logged.outputs == ["Hello!"]


PROJECT = {
    "bot.py": """
        import phospho
        phospho.init(version_id="v1")

        def answer(question):
            phospho.log(question, "Hello!")
    """,
    "conftest.py": """
        import phospho.testing  # before pytest loads it as a plugin
        pytest_plugins = ["phospho.testing"]
    """,
    "test_bot.py": """
        import phospho, bot

        def test_the_answer(phospho_logged):
            bot.answer("Hi")
            assert phospho_logged.outputs == ["Hello!"]
            assert phospho_logged.interactions[0]["version_id"] == "v1"

        def test_each_test_begins_with_nothing_logged(phospho_logged):
            assert not phospho_logged

        def test_one_that_fails_shows_what_was_logged(phospho_logged):
            bot.answer("Hi")
            assert not phospho_logged

        def test_without_the_fixture_the_apps_own_client_is_back():
            assert phospho.stats().logged == 0
    """,
}


def test_a_project_of_its_own_gets_the_fixture_by_naming_the_plugin(tmp_path: Path) -> None:
    for name, text in PROJECT.items():
        lines = [line[8:] for line in text.splitlines()]
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    done = run_script(
        f"""
        import os, pytest
        os.chdir({str(tmp_path)!r})
        pytest.main(["-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:xdist"])
        """,
        url="http://127.0.0.1:9",
    )
    assert "1 failed, 3 passed" in done.stdout, done.stdout + done.stderr
    assert "assert not <Logged 'Hi' -> 'Hello!'>" in done.stdout


def test_pytest_is_not_needed() -> None:
    done = run_script(
        """
        import sys
        sys.modules["pytest"] = None
        import phospho, phospho.testing
        with phospho.testing.capture() as logged:
            phospho.log("Hi", "Hello!")
        print(logged.outputs, hasattr(phospho.testing, "phospho_logged"))
        """
    )
    assert (done.stdout, done.stderr) == ("['Hello!'] False\n", "")


def test_a_forked_child_captures_too() -> None:
    done = run_script(
        """
        import os, phospho, phospho.testing
        with phospho.testing.capture() as logged:
            phospho.log("parent")
            if os.fork() == 0:
                phospho.log("child")
                os._exit(len(logged))
            print(os.waitstatus_to_exitcode(os.wait()[1]), len(logged))
        """
    )
    assert (done.stdout, done.stderr) == ("2 1\n", "")
