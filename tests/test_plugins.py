from __future__ import annotations

import importlib
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phospho
import phospho.redaction
from phospho import implementation
from phospho.errors import PluginError
from phospho.extractors import catalogue
from phospho.plugins import Plugins
from tests.conftest import ClientFactory
from tests.loopback import Loopback

BUILT_IN = [f"phospho.extractors.{name}" for name in catalogue.every_name()]


class Reply:
    def __init__(self, body: str) -> None:
        self.body = body


def plugin(name: str = "mine", **hooks: Callable[..., Any]) -> types.ModuleType:
    """Return a module whose functions implement hooks."""
    module = types.ModuleType(name)
    for hook, function in hooks.items():
        setattr(module, hook, phospho.hookimpl(function))
    return module


def read_reply(value: Any) -> Any:
    return value.body if isinstance(value, Reply) else None


def test_an_extractor_of_three_lines_wins_over_the_built_in_ones(
    make_client: ClientFactory, loopback: Loopback
) -> None:
    client = make_client(plugins=[plugin(phospho_extract_output=read_reply)])
    record = client.log("i", Reply("how can I help?"))
    assert record["output"] == "how can I help?"
    assert record["raw_output_type_name"] == "Reply"
    assert client.log("i", {"answer": "other"})["output"] == "other"


def test_an_extractor_may_tell_facts(make_client: ClientFactory) -> None:
    facts = phospho.Extracted(
        text="t", model="m", usage={"total_tokens": 3}, finish_reason="stop",
        tool_calls=[{"name": "f", "arguments": "{}"}], extra={"source": "plugin", "kept": "no"},
    )  # fmt: skip
    client = make_client(plugins=[plugin(phospho_extract_output=lambda value: facts)])
    record = client.log("i", Reply(""), metadata={"kept": "yes"})
    assert (record["output"], record["model"], record["total_tokens"]) == ("t", "m", 3)
    assert record["tool_calls"] == [{"name": "f", "arguments": "{}"}]
    assert record["metadata"] == {"source": "plugin", "kept": "yes"}


JUNK: dict[str, Callable[[Any], Any]] = {
    "raises": lambda value: 1 / 0,
    "a-number": lambda value: 7,
    "a-class": lambda value: phospho.Extracted,
    "text-of-bytes": lambda value: phospho.Extracted(text=b"x"),  # type: ignore[arg-type]
    "usage-of-text": lambda value: phospho.Extracted(text="x", usage="many"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", JUNK)
def test_a_bad_plugin_costs_its_own_answer_only(
    name: str, make_client: ClientFactory, caplog: pytest.LogCaptureFixture
) -> None:
    bad = plugin("bad", phospho_extract_output=JUNK[name])
    client = make_client(plugins=[plugin("good", phospho_extract_output=read_reply), bad])
    for _ in range(7):
        assert client.log("i", Reply("fine"))["output"] == "fine"
    assert len(caplog.records) == 1
    assert "plugins=[...]" in caplog.text
    assert "PHOSPHO_DISABLE_PLUGINS" not in caplog.text


def test_a_plugin_that_keeps_failing_is_not_asked_again(make_client: ClientFactory) -> None:
    asked: list[Any] = []

    def count(value: Any) -> int:
        asked.append(value)
        return 7

    client = make_client(plugins=[plugin("bad", phospho_extract_output=count)])
    for _ in range(9):
        client.log("i", Reply("text"))
    assert len(asked) == implementation.MAX_FAILURES_IN_A_ROW


def test_an_extractor_of_ours_that_fails_is_asked_again(
    make_client: ClientFactory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(value: Any) -> str:
        if value == {"answer": "poison"}:
            raise ValueError("cannot read it")
        return str(value["answer"])

    client = make_client()
    client.log("i", {"answer": "text"})
    ours = client.plugins._extractors["messages"]["phospho_extract_output"]
    monkeypatch.setattr(ours, "call", fail)
    for _ in range(9):
        client.log("i", {"answer": "poison"})
    assert client.log("i", {"answer": "text"})["output"] == "text"
    assert client.stats().plugin_failures == {"phospho.extractors.messages": 9}
    assert len([r for r in caplog.records if "cannot read it" in r.getMessage()]) == 1


def test_a_slow_answer_is_used_and_a_plugin_that_stays_slow_is_not_asked_again(
    make_client: ClientFactory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(implementation, "MAX_CALL_S", -1.0)
    client = make_client(plugins=[plugin("slow", phospho_extract_output=read_reply)])
    outputs = [client.log("i", Reply("text"))["output"] for _ in range(7)]
    assert outputs[:5] == ["text"] * 5
    assert outputs[5:] != ["text"] * 2
    slow = [r.getMessage() for r in caplog.records if "'slow'" in r.getMessage()]
    assert len(slow) == 1
    assert "ignored" not in slow[0]


def test_a_plugin_that_took_too_much_of_the_apps_time_is_not_asked_again(
    make_client: ClientFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(implementation, "MAX_CALL_S", 0.01)
    monkeypatch.setattr(implementation, "MAX_SLOW_S", 0.02)
    asked: list[Any] = []

    def dawdle(value: Any) -> None:
        asked.append(value)
        time.sleep(0.015)

    client = make_client(plugins=[plugin("slow", phospho_extract_output=dawdle)])
    for _ in range(5):
        assert client.log("i", {"answer": "text"})["output"] == "text"
    assert len(asked) <= 2


def test_hooks_of_the_server_may_take_their_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(implementation, "MAX_CALL_S", -1.0)
    loaded = Plugins([plugin(phospho_register_detectors=lambda: ["d"])], built_in=())
    for _ in range(7):
        assert loaded.each("phospho_register_detectors", list) == [("mine", ["d"])]
    assert caplog.records == []


class Redact:
    """A plugin that is an object; it fails where it meets `poison`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error or ValueError("cannot redact")

    @phospho.hookimpl
    def phospho_before_send(self, interaction: dict[str, Any]) -> dict[str, Any]:
        if "poison" in interaction["input"]:
            raise self.error
        return interaction


def test_an_object_is_named_by_its_class(
    make_client: ClientFactory, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(plugins=[Redact(), Redact()])
    assert [r.name for r in client.plugins.reports()][-2:] == ["Redact", "Redact-2"]
    client.log("poison")
    assert "'Redact-2'" in caplog.text
    assert "plugins=[...]" in caplog.text


def test_an_object_given_twice_is_refused() -> None:
    twice = Redact()
    with pytest.raises(PluginError, match="twice"):
        Plugins([twice, twice], built_in=())


def test_before_send_forms_a_chain(make_client: ClientFactory, loopback: Loopback) -> None:
    def redact(interaction: dict[str, Any]) -> dict[str, Any]:
        return {**interaction, "input": interaction["input"].replace("4111", "****")}

    def enrich(interaction: dict[str, Any]) -> dict[str, Any]:
        interaction["metadata"] = {"region": "eu", "odd": {1, 2}, "text": "a\ud800"}
        return interaction

    client = make_client(
        plugins=[
            plugin("redact", phospho_before_send=redact),
            plugin("enrich", phospho_before_send=enrich),
        ]
    )
    record = client.log("card 4111")
    assert client.flush()
    assert loopback.events == [record]
    assert record["input"] == "card ****"
    assert record["metadata"]["region"] == "eu"


def test_before_send_may_drop(make_client: ClientFactory, loopback: Loopback) -> None:
    client = make_client(plugins=[plugin(phospho_before_send=lambda interaction: None)])
    assert client.log("i")["input"] == "i"
    assert client.flush()
    assert client.stats().dropped == {"before_send": 1}
    assert loopback.events == []


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(Redact(), id="raises"),
        pytest.param(Redact(MuteError()), id="raises-without-words"),
        pytest.param(
            plugin(
                phospho_before_send=lambda interaction: (
                    "text" if interaction["input"] == "poison" else interaction
                )
            ),
            id="junk",
        ),
    ],
)
def test_what_before_send_fails_on_is_never_sent(
    bad: object,
    make_client: ClientFactory,
    loopback: Loopback,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = make_client(plugins=[bad])
    for _ in range(7):
        assert client.log("poison", "o")["output"] == "o"
    client.log("fine")
    assert client.flush()
    assert [event["input"] for event in loopback.events] == ["fine"]
    assert client.stats().dropped == {"before_send_failed": 7}
    assert client.stats().logged == 8
    assert len(caplog.records) == 1
    assert "not sent" in caplog.text


def test_feedback_passes_plugins_in_order_too(
    make_client: ClientFactory, loopback: Loopback
) -> None:
    def redact(feedback: dict[str, Any]) -> dict[str, Any]:
        return {**feedback, "notes": feedback["notes"].replace("1234", "***")}

    def enrich(feedback: dict[str, Any]) -> dict[str, Any]:
        assert feedback["project_id"] == "proj"
        feedback["source"] = f"user of {feedback['task_id']}"
        return feedback

    client = make_client(
        plugins=[
            plugin("redact", phospho_before_send_feedback=redact),
            plugin("enrich", phospho_before_send_feedback=enrich),
        ]
    )
    client.user_feedback("t", "failure", notes="my pin is 1234")
    assert client.flush()
    (request,) = loopback.feedback
    assert request.path == "/v2/tasks/t/human-eval"
    assert request.body == {
        "human_eval": "failure",
        "project_id": "proj",
        "source": "user of t",
        "notes": "my pin is ***",
    }


def no_task(feedback: dict[str, Any]) -> dict[str, Any]:
    return {"flag": "success"}


@pytest.mark.parametrize(
    ("answer", "dropped"),
    [
        pytest.param(lambda feedback: None, {"feedback_before_send": 7}, id="none"),
        pytest.param(lambda feedback: 1 / 0, {"feedback_before_send_failed": 7}, id="raises"),
        pytest.param(lambda feedback: "hi", {"feedback_before_send_failed": 7}, id="a-text"),
        pytest.param(no_task, {"feedback_before_send_failed": 7}, id="without-a-task"),
    ],
)
def test_feedback_that_a_plugin_drops_or_fails_on_is_never_sent(
    make_client: ClientFactory,
    loopback: Loopback,
    answer: Callable[..., Any],
    dropped: dict[str, int],
) -> None:
    client = make_client(plugins=[plugin(phospho_before_send_feedback=answer)])
    for _ in range(7):
        client.user_feedback("t", "success", notes="secret")
    client.log("i", "o")
    assert client.flush()
    assert loopback.feedback == []
    stats = client.stats()
    assert (stats.logged, stats.sent, stats.dropped) == (1, 1, dropped)


def test_a_slow_before_send_is_told_so_and_goes_on_being_asked(
    make_client: ClientFactory,
    loopback: Loopback,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(implementation, "MAX_CALL_S", -1.0)
    redact = plugin(phospho_before_send=lambda interaction: {**interaction, "input": "***"})
    client = make_client(plugins=[redact])
    for _ in range(7):
        client.log("4111")
    assert client.flush()
    assert [event["input"] for event in loopback.events] == ["***"] * 7
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "hooks",
    [
        pytest.param({"phospho_extract_inputs": lambda value: None}, id="misspelt"),
        pytest.param({"phospho_extract_input": lambda text: None}, id="wrong-argument"),
    ],
)
def test_a_plugin_that_would_never_be_called_is_refused(hooks: dict[str, Any]) -> None:
    with pytest.raises(PluginError, match="mine"):
        phospho.init("key", "proj", plugins=[plugin(**hooks)])


def test_a_wrapper_is_refused() -> None:
    module = types.ModuleType("mine")
    module.phospho_extract_input = phospho.hookimpl(wrapper=True)(  # type: ignore[attr-defined]
        lambda value: (yield)
    )
    with pytest.raises(PluginError, match="wrapper"):
        Plugins([module], built_in=())


def test_two_plugins_of_one_name_are_refused() -> None:
    with pytest.raises(PluginError, match="Two phospho plugins"):
        Plugins([plugin(phospho_extract_output=read_reply) for _ in range(2)], built_in=())


async def tell(event: Any) -> None:
    """Do nothing, for nobody awaits it."""


class Forgotten:
    def phospho_before_send(self, interaction: dict[str, Any]) -> None:
        """Redact, its author believes; without the mark it is never asked."""


@pytest.mark.parametrize(
    ("given", "why"),
    [
        pytest.param("my_redaction", "implements no hook", id="text"),
        pytest.param(None, "implements no hook", id="none"),
        pytest.param(phospho.redaction, "implements no hook", id="module-of-a-plugin"),
        pytest.param(Forgotten(), "implements no hook", id="unmarked"),
        pytest.param(phospho.Redaction, r"Redaction\(\)", id="class"),
        pytest.param(plugin(phospho_event_detected=tell), "async", id="async"),
    ],
)
def test_what_would_never_be_called_is_refused(given: Any, why: str) -> None:
    with pytest.raises(PluginError, match=why):
        phospho.init("key", "proj", plugins=[given])


class EntryPoint:
    name = "theirs"
    module = "acme_broken_plugin"
    dist = types.SimpleNamespace(version="1.2")

    def __init__(self, load: Callable[[], object]) -> None:
        self.load = load


def test_installed_packages_bring_plugins(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def load_broken() -> object:
        raise ImportError("half installed")

    broken = EntryPoint(load_broken)
    broken.name = "broken"
    good = EntryPoint(lambda: plugin(phospho_extract_output=read_reply))
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [broken, good])
    reports = {report.name: report for report in Plugins(built_in=()).reports()}
    assert reports["theirs"].version == "1.2"
    assert reports["theirs"].hooks == ("phospho_extract_output",)
    assert reports["broken"].hooks == ()
    assert (reports["broken"].version, reports["broken"].failures) == ("1.2", 1)
    assert "half installed" in caplog.text


@pytest.mark.parametrize(
    ("source", "is_sent"),
    [
        pytest.param("def phospho_extract_input(value): ...", True, id="reads"),
        pytest.param("def phospho_before_send(interaction): ...", False, id="redacts"),
        pytest.param(None, False, id="nobody-knows"),
    ],
)
def test_nothing_is_sent_past_a_package_that_may_redact_and_cannot_be_loaded(
    source: str | None,
    is_sent: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    make_client: ClientFactory,
    tmp_path: Path,
) -> None:
    if source is not None:
        (tmp_path / "acme_broken_plugin.py").write_text(f"import does_not_exist\n{source}\n")
    monkeypatch.syspath_prepend(tmp_path)
    broken = EntryPoint(lambda: importlib.import_module("acme_broken_plugin"))
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [broken])
    client = make_client()
    client.log("ada@example.com")
    assert (client.stats().dropped == {}) is is_sent
    assert ("Nothing is sent meanwhile" in caplog.text) is not is_sent
    assert "PHOSPHO_DISABLE_PLUGINS=theirs" in caplog.text


def test_a_plugin_that_is_refused_and_may_redact_stops_what_is_sent(
    monkeypatch: pytest.MonkeyPatch, make_client: ClientFactory
) -> None:
    misspelt = EntryPoint(lambda: plugin(phospho_before_sending=lambda interaction: None))
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [misspelt])
    client = make_client()
    client.log("ada@example.com")
    assert client.stats().dropped == {"before_send_failed": 1}


def test_a_plugin_may_be_both_installed_and_given(monkeypatch: pytest.MonkeyPatch) -> None:
    module = plugin(phospho_extract_output=read_reply)
    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda group: [EntryPoint(lambda: module)]
    )
    reports = Plugins([module], built_in=()).reports()
    assert [report.name for report in reports] == [*BUILT_IN, "theirs"]


def test_a_failing_plugin_of_a_package_can_be_left_out_by_a_variable(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, make_client: ClientFactory
) -> None:
    bad = EntryPoint(lambda: plugin(phospho_extract_output=lambda value: 7))
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [bad])
    make_client().log("i", Reply("text"))
    assert "PHOSPHO_DISABLE_PLUGINS=theirs" in caplog.text
    assert "plugins=[...]" not in caplog.text


@pytest.mark.parametrize("names", ["theirs", "other, theirs", "all", "True", "1"])
def test_installed_plugins_can_be_left_out(names: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry_point = EntryPoint(lambda: plugin(phospho_extract_output=read_reply))
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [entry_point])
    monkeypatch.setenv("PHOSPHO_DISABLE_PLUGINS", names)
    assert [r.name for r in Plugins(built_in=()).reports()] == BUILT_IN
