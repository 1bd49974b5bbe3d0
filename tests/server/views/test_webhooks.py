"""Settings: webhooks, made, tried, switched, and what they sent."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from phospho.errors import ConfigurationError, MissingDependencyError
from phospho_server.llm.sealing import Sealer
from phospho_server.services import Services
from phospho_server.store import deliveries, webhooks
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from phospho_server.store.webhooks import Webhook
from phospho_server.webhooks.worker import Sender
from tests.loopback import Loopback, Reply, serve_phospho
from tests.server.builders import define
from tests.server.databases import on_sqlite
from tests.server.views.conftest import Visitor, text_of
from tests.waiting import HELD_S, PATIENCE_S, wait_until


@pytest.fixture
def receiver() -> Iterator[Loopback]:
    with serve_phospho() as loopback:
        yield loopback


@pytest.fixture
def private(app: Flask) -> None:
    """Allow what the receiver of these tests needs."""
    known: Services = app.extensions["phospho"]
    sender = Sender(known.webhooks.sealer, allow_private=True, timeout_s=PATIENCE_S)
    app.extensions["phospho"] = replace(known, webhooks=sender)


def hooks(store: SqliteStore, project: Project) -> list[Webhook]:
    with store.read() as db:
        return webhooks.list_webhooks(db, project.id)


def make(visitor: Visitor, home: str, url: str, **fields: object) -> str:
    """Make a webhook; return the page that shows its secret."""
    response = visitor.post(f"{home}/settings/webhooks", url=url, **fields)
    assert response.status_code == 200
    return response.get_data(as_text=True)


@on_sqlite
@pytest.mark.usefixtures("private")
def test_a_webhook_is_made_and_its_secret_shown_once(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, receiver: Loopback
) -> None:
    page = make(visitor, home, f"{receiver.url}/hook?token=secret")
    found = re.search(r"whsec_[A-Za-z0-9+/]{43}=", page)
    assert found
    (hook,) = hooks(store, project)
    assert hook.definition_ids is None
    settings = visitor.get(f"{home}/settings").get_data(as_text=True)
    own = visitor.get(f"{home}/settings/webhooks/{hook.id}").get_data(as_text=True)
    for later in (settings, own):
        assert f"{receiver.url}/hook?…" in later
        assert found.group(0) not in later
        assert "token=secret" not in later
    # Who gets hold of the database has neither.
    content = store.path.read_bytes() + store.path.with_name("phospho.db-wal").read_bytes()
    assert found.group(0).encode() not in content
    assert b"token=secret" not in content


@pytest.mark.usefixtures("private")
def test_four_tests_are_sent_at_once_and_other_pages_have_threads_left(
    visitor: Visitor, app: Flask, store: SqliteStore, project: Project, home: str,
    receiver: Loopback, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    make(visitor, home, f"{receiver.url}/hook")
    (hook,) = hooks(store, project)
    waits = threading.Event()
    statuses: list[int] = []
    monkeypatch.setattr(Sender, "deliver", lambda *_: waits.wait(HELD_S))
    asking = [Visitor(app.test_client()) for _ in range(4)]
    for each in asking:
        each.sign_in(store)

    def ask(each: Visitor) -> None:
        statuses.append(each.post(f"{home}/settings/webhooks/{hook.id}/test").status_code)

    threads = [threading.Thread(target=ask, args=[each]) for each in asking]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(_log(store, project, hook.id)) == 4, what="four tests")
    ask(visitor)
    assert statuses == [503]
    waits.set()
    for thread in threads:
        thread.join()
    assert statuses == [503, 303, 303, 303, 303]
    ask(visitor)
    assert statuses[-1] == 303


def _log(store: SqliteStore, project: Project, webhook_id: str) -> list[deliveries.Delivery]:
    with store.read() as db:
        return deliveries.list_log(db, project.id, webhook_id)


@pytest.mark.usefixtures("private")
def test_a_test_is_sent_at_once_and_stands_in_the_log(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, receiver: Loopback
) -> None:
    make(visitor, home, receiver.url)
    (hook,) = hooks(store, project)
    address = f"{home}/settings/webhooks/{hook.id}"
    assert "Nothing has been sent yet" in text_of(visitor.get(address))
    assert visitor.post(f"{address}/test").status_code == 303
    assert receiver.requests[0].body["type"] == "test"
    assert "Test Sent (200)" in text_of(visitor.get(address))
    receiver.replies.append(Reply(status=500, body=b"<b>no</b>"))
    visitor.post(f"{address}/test")
    page = visitor.get(address)
    assert "Test Given up (500)" in text_of(page)
    assert "&lt;b&gt;no&lt;/b&gt;" in page.get_data(as_text=True)
    assert "Failing since" in text_of(page)
    assert "Failing" in text_of(visitor.get(f"{home}/settings"))


def test_every_page_says_that_a_webhook_was_switched_off(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    make(visitor, home, "https://example.com/hook")
    (hook,) = hooks(store, project)
    for page in ("dashboard", "sessions", "settings"):
        assert "switched off" not in text_of(visitor.get(f"{home}/{page}"))
    store.write(lambda db: webhooks.note_failure(db, hook, "No.", is_gone=True))
    for page in ("dashboard", "sessions", "settings"):
        shown = text_of(visitor.get(f"{home}/{page}"))
        assert "A webhook keeps failing and was switched off: https://example.com/hook" in shown
    visitor.post(f"{home}/settings/webhooks/{hook.id}/toggle", enabled="1")
    assert "switched off" not in text_of(visitor.get(f"{home}/dashboard"))


@pytest.mark.usefixtures("private")
def test_a_message_that_was_given_up_is_sent_again(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, receiver: Loopback
) -> None:
    receiver.replies.append(Reply(status=500))
    make(visitor, home, receiver.url)
    (hook,) = hooks(store, project)
    address = f"{home}/settings/webhooks/{hook.id}"
    visitor.post(f"{address}/test")
    with store.read() as db:
        (entry,) = deliveries.list_log(db, project.id, hook.id)
    assert visitor.post(f"{address}/again", message=entry.id).status_code == 303
    assert "Waiting" in text_of(visitor.get(address))
    assert visitor.post(f"{address}/again", message=entry.id).status_code == 404


@pytest.mark.usefixtures("private")
def test_a_slack_channel_is_told_in_its_format(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, receiver: Loopback
) -> None:
    page = make(visitor, home, f"{receiver.url}/T0/B0/abcdefgh", format="slack")
    assert "whsec_" not in page
    (hook,) = hooks(store, project)
    assert hook.shown_url == f"{receiver.url}/…efgh"
    visitor.post(f"{home}/settings/webhooks/{hook.id}/test")
    assert receiver.requests[0].path == "/T0/B0/abcdefgh"
    assert "This is a test" in receiver.requests[0].body["text"]


@pytest.mark.usefixtures("private")
def test_events_are_chosen_and_chosen_anew(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, receiver: Loopback
) -> None:
    one, two = define(store, project, name="one"), define(store, project, name="two")
    none = visitor.post(f"{home}/settings/webhooks", url=receiver.url, scope="some")
    assert none.status_code == 422
    assert "Choose at least one event" in text_of(none)
    make(visitor, home, receiver.url, scope="some", event=[two.id, "event_of_others"])
    (hook,) = hooks(store, project)
    assert hook.definition_ids == (two.id,)
    address = f"{home}/settings/webhooks/{hook.id}"
    assert f'value="{two.id}" checked' in visitor.get(address).get_data(as_text=True)
    assert visitor.post(f"{address}/events", scope="some").status_code == 422
    visitor.post(f"{address}/events", scope="some", event=[one.id, two.id])
    assert hooks(store, project)[0].definition_ids == (one.id, two.id)
    visitor.post(f"{address}/events", scope="all")
    assert hooks(store, project)[0].definition_ids is None


@pytest.mark.usefixtures("private")
def test_a_webhook_is_switched_and_deleted_and_its_secret_replaced(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, receiver: Loopback
) -> None:
    make(visitor, home, receiver.url)
    (hook,) = hooks(store, project)
    address = f"{home}/settings/webhooks/{hook.id}"
    visitor.post(f"{address}/toggle", enabled="0")
    assert not hooks(store, project)[0].is_on
    visitor.post(f"{address}/toggle", enabled="1")
    assert hooks(store, project)[0].is_on
    assert "whsec_" in visitor.post(f"{address}/secret").get_data(as_text=True)
    assert hooks(store, project)[0].secret != hook.secret
    visitor.post(f"{address}/test")
    assert visitor.post(f"{address}/delete").status_code == 303
    assert hooks(store, project) == []
    assert visitor.get(address).status_code == 404


@pytest.mark.parametrize(
    ("url", "says"),
    [
        pytest.param("", "Give the address", id="empty"),
        pytest.param("ftp://example.com", "begins with https://", id="ftp"),
        pytest.param("file:///etc/passwd", "begins with https://", id="file"),
        pytest.param("javascript:alert(1)", "begins with https://", id="script"),
        pytest.param("//example.com/x", "begins with https://", id="no-scheme"),
        pytest.param("http://", "begins with https://", id="no-host"),
        pytest.param("http://[::1", "begins with https://", id="half-ipv6"),
        pytest.param("http://a:99999/", "begins with https://", id="port"),
        pytest.param("http://exa mple.com/", "begins with https://", id="space"),
        pytest.param("http://example.com\\@127.0.0.1/", "begins with https://", id="backslash"),
        pytest.param("http://exämple.com/", "begins with https://", id="letters"),
        pytest.param("https://user:pw@example.com/", "name and password", id="password"),
        pytest.param("https://example.com/" + "x" * 2000, "more than 2,000", id="long"),
        pytest.param("http://127.0.0.1:8000/", "private network", id="loopback"),
        pytest.param("http://localhost/", "private network", id="localhost"),
        pytest.param("http://169.254.169.254/latest/meta-data", "private network", id="metadata"),
        pytest.param("http://[fd00:ec2::254]/", "private network", id="metadata-ipv6"),
    ],
)
def test_an_address_that_cannot_work_is_refused_and_kept_in_the_form(
    visitor: Visitor, store: SqliteStore, project: Project, home: str, url: str, says: str
) -> None:
    refused = visitor.post(f"{home}/settings/webhooks", url=url)
    assert refused.status_code == 422
    assert says in text_of(refused)
    assert hooks(store, project) == []


@pytest.mark.parametrize(
    ("problem", "says"),
    [
        (MissingDependencyError("cryptography", extra="llm"), "pip install 'phospho[webhooks]'"),
        (ConfigurationError("Make the folder writable."), "Make the folder writable."),
    ],
    ids=["not-installed", "no-place"],
)
def test_where_nothing_can_be_sealed_it_says_what_to_do(
    visitor: Visitor,
    store: SqliteStore,
    project: Project,
    home: str,
    monkeypatch: pytest.MonkeyPatch,
    problem: Exception,
    says: str,
) -> None:
    make(visitor, home, "https://example.com/")

    def refuse(*_: object) -> str:
        raise problem

    monkeypatch.setattr(Sealer, "seal", refuse)
    (hook,) = hooks(store, project)
    for path in ("settings/webhooks", f"settings/webhooks/{hook.id}/secret"):
        refused = visitor.post(f"{home}/{path}", url="https://example.com/")
        assert refused.status_code == 422
        assert says in text_of(refused)
    assert hooks(store, project) == [hook]


def test_settings_say_what_is_missing_before_a_form_is_filled(
    visitor: Visitor, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Add a webhook" in text_of(visitor.get(f"{home}/settings"))
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)
    page = text_of(visitor.get(f"{home}/settings"))
    assert "Add a webhook" not in page
    assert "pip install 'phospho[webhooks]'" in page


def test_another_format_is_refused(visitor: Visitor, home: str) -> None:
    refused = visitor.post(f"{home}/settings/webhooks", url="https://example.com", format="xml")
    assert refused.status_code == 422


def test_a_project_has_at_most_twenty(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    for _ in range(20):
        make(visitor, home, "https://example.com/")
    refused = visitor.post(f"{home}/settings/webhooks", url="https://example.com/")
    assert refused.status_code == 422
    assert "which is the most" in text_of(refused)
    assert len(hooks(store, project)) == 20


def test_another_project_has_nothing_to_do_with_it(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    make(visitor, home, "https://example.com/")
    (hook,) = hooks(store, project)
    other = store.write(lambda db: create_project(db, "Other"))
    address = f"/projects/{other.id}/settings/webhooks/{hook.id}"
    assert visitor.get(address).status_code == 404
    for action in ("test", "toggle", "secret", "delete", "again", "events"):
        assert visitor.post(f"{address}/{action}", enabled="0", scope="all").status_code == 404
    assert hooks(store, project) == [hook]
    assert visitor.post("/projects/none/settings/webhooks", url="https://a.b").status_code == 404
