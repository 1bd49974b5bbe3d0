"""The LLM in Settings: where texts go, keys that are never shown, costs, and the pause's banner."""

# ruff: noqa: RUF001 - pages have typographic apostrophes

from __future__ import annotations

import errno
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from phospho.detectors.llm.band import Answered
from phospho.detectors.llm.cost import Usage
from phospho.detectors.llm.ledger import Call
from phospho.errors import ConfigurationError
from phospho_server import create_app
from phospho_server.llm.sealing import Sealer
from phospho_server.llm.setup import Setups
from phospho_server.store import Store, llm, llm_agreement, llm_unasked, llm_usage
from phospho_server.store.definitions import delete_definition, edit_definition
from phospho_server.store.llm import LlmSettings
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore, database_file
from tests.server.builders import add, define, interaction
from tests.server.databases import on_sqlite
from tests.server.views.conftest import Visitor, text_of
from tests.server.views.people import enter, make, member

URL = "https://llm.example.org/v1"
KEY = "sk-never-to-be-seen"


def app_of(store: Store, environment: Mapping[str, str]) -> Flask:
    """Return the application, in an environment."""
    setups = Setups(Sealer(database_file(store)), environment)
    return create_app(store, detectors={}, setups=setups)


def held(store: SqliteStore, project: Project) -> LlmSettings:
    with store.read() as db:
        found = llm.find_settings(db, project.id)
    assert found is not None
    return found


def save(visitor: Visitor, home: str, **fields: str) -> Any:
    return visitor.post(
        f"{home}/settings/llm", **{"base_url": URL, "model": "gpt-x", "api_key": KEY, **fields}
    )


def test_by_default_nothing_is_sent_anywhere(visitor: Visitor, home: str) -> None:
    assert "Nothing is sent anywhere." in text_of(visitor.get(f"{home}/settings"))


def test_settings_say_what_goes_where(visitor: Visitor, home: str) -> None:
    assert save(visitor, home).status_code == 303
    page = text_of(visitor.get(f"{home}/settings"))
    assert "Asks gpt-x at llm.example.org" in page
    assert "Your users’ texts are sent to llm.example.org" in page
    assert "without encryption" not in page
    save(visitor, home, base_url="http://gpu.lan:8000/v1")
    assert "without encryption" in text_of(visitor.get(f"{home}/settings"))
    save(visitor, home, base_url="http://127.0.0.1:11434/v1")
    assert "without encryption" not in text_of(visitor.get(f"{home}/settings"))


@on_sqlite
def test_a_key_is_sealed_and_never_shown_again(
    visitor: Visitor, home: str, store: SqliteStore, project: Project, tmp_path: Path
) -> None:
    save(visitor, home)
    assert held(store, project).api_key.startswith("sealed:")
    assert KEY not in visitor.get(f"{home}/settings").get_data(as_text=True)
    store.close()
    for file in tmp_path.iterdir():
        assert KEY.encode() not in file.read_bytes()
    secret = tmp_path / "phospho.db.key"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert Sealer(tmp_path / "phospho.db").open(_held_in(tmp_path)) == KEY


def _held_in(folder: Path) -> str:
    with sqlite3.connect(folder / "phospho.db") as db:
        (api_key,) = db.execute("select api_key from llm_settings").fetchone()
    db.close()
    return str(api_key)


def test_what_is_typed_again_without_the_key_keeps_it_for_the_same_server_alone(
    visitor: Visitor, home: str, store: SqliteStore, project: Project
) -> None:
    save(visitor, home)
    sealed = held(store, project).api_key
    save(visitor, home, api_key="", model="gpt-y")
    assert held(store, project).api_key == sealed
    save(visitor, home, api_key="", base_url="https://elsewhere.example.org/v1")
    assert held(store, project).api_key == ""


def test_a_key_may_come_from_a_variable_that_is_named_like_one(
    visitor: Visitor,
    home: str,
    store: SqliteStore,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save(visitor, home, api_key="env:MY_API_KEY")
    assert held(store, project).api_key == "env:MY_API_KEY"
    page = text_of(visitor.get(f"{home}/settings"))
    assert "variable MY_API_KEY, which is not set" in page
    monkeypatch.setenv("MY_API_KEY", KEY)
    response = visitor.get(f"{home}/settings")
    assert "Asks gpt-x at" in text_of(response)
    assert KEY not in response.get_data(as_text=True)
    for other in ("env:PHOSPHO_SECRET_KEY", "env:PATH", "env:", "env:../API_KEY"):
        assert save(visitor, home, api_key=other).status_code == 422


def test_the_keys_of_the_environment_are_for_owners_of_the_server(
    ana: Visitor,
    new_visitor: Callable[[], Visitor],
    store: SqliteStore,
    project: Project,
    home: str,
) -> None:
    """Anybody who signs in may own a project, and have its LLM be a server of their own."""
    ben = member(store, project, new_visitor(), "owner")
    assert "env:" not in ben.get(f"{home}/settings").get_data(as_text=True)
    assert "env:" in ana.get(f"{home}/settings").get_data(as_text=True)
    refused = save(ben, home, base_url="https://ben.example/v1", api_key="env:OPENAI_API_KEY")
    assert refused.status_code == 422
    assert "Only owners of the server may use a key of its environment" in text_of(refused)
    assert save(ana, home, api_key="env:OPENAI_API_KEY").status_code == 303
    assert save(ben, home, model="another", api_key="").status_code == 303
    assert held(store, project).api_key == "env:OPENAI_API_KEY"
    assert save(ben, home, base_url="https://ben.example/v1", api_key="").status_code == 303
    assert held(store, project).api_key == ""


PRIVATE = "http://127.0.0.1:11434/v1"


@pytest.mark.parametrize(
    "url", [PRIVATE, "http://localhost:1/v1", "http://[::1]/v1", "http://10.0.0.1/v1"]
)
def test_a_private_address_is_for_owners_of_the_server(
    ana: Visitor,
    new_visitor: Callable[[], Visitor],
    store: SqliteStore,
    project: Project,
    home: str,
    url: str,
) -> None:
    """Anybody who signs in may own a project, and would look around in the server's network."""
    ben = member(store, project, new_visitor(), "owner")
    refused = save(ben, home, base_url=url)
    assert refused.status_code == 422
    assert "leads into a private network, where nothing is sent" in text_of(refused)
    with store.read() as db:
        assert llm.find_settings(db, project.id) is None
    assert save(ana, home, base_url=url).status_code == 303
    assert held(store, project).is_trusted


def test_one_person_with_a_one_time_link_names_a_model_on_their_own_machine(
    visitor: Visitor, store: SqliteStore, project: Project, home: str
) -> None:
    assert save(visitor, home, base_url=PRIVATE, api_key="").status_code == 303
    assert held(store, project).is_trusted
    assert "Asks gpt-x at 127.0.0.1:11434" in text_of(visitor.get(f"{home}/settings"))


def test_who_owns_the_server_stands_behind_the_base_url_that_they_typed(
    ana: Visitor,
    new_visitor: Callable[[], Visitor],
    store: SqliteStore,
    project: Project,
    home: str,
) -> None:
    ben = member(store, project, new_visitor(), "owner")
    save(ana, home, base_url=PRIVATE)
    assert save(ben, home, base_url=PRIVATE, model="another").status_code == 303
    assert held(store, project).is_trusted
    assert save(ben, home, base_url=f"{PRIVATE}/../admin").status_code == 422
    assert save(ben, home, base_url="https://ben.example/v1", is_trusted="1").status_code == 303
    assert not held(store, project).is_trusted
    assert "somebody else set it" not in text_of(ben.get(f"{home}/settings"))
    assert "somebody else set it" in text_of(ana.get(f"{home}/settings"))
    save(ana, home, base_url="https://ben.example/v1", daily_tokens="1000")
    assert not held(store, project).is_trusted
    save(ana, home, base_url="https://ben.example/v1", is_trusted="1")
    assert held(store, project).is_trusted
    assert "somebody else set it" not in text_of(ana.get(f"{home}/settings"))


def test_a_private_llm_may_be_switched_off_by_who_may_not_name_it(
    new_visitor: Callable[[], Visitor], store: SqliteStore, project: Project, home: str
) -> None:
    make(store)  # the first owns the server
    ben = member(store, project, new_visitor(), "owner")
    settings = LlmSettings(base_url=PRIVATE, model="gpt-x")
    store.write(lambda db: llm.save_settings(db, project.id, settings))
    assert save(ben, home, base_url=PRIVATE, is_off="1").status_code == 303
    assert held(store, project).is_off
    assert save(ben, home, base_url=PRIVATE).status_code == 422


def test_the_environment_may_leave_private_addresses_to_everybody(
    store: SqliteStore, project: Project, home: str
) -> None:
    environment = {"PHOSPHO_ALLOW_PRIVATE_LLMS": "1"}
    app: Flask = create_app(
        store, detectors={}, setups=Setups(Sealer(database_file(store)), environment)
    )
    make(store)  # the first owns the server
    ben = member(store, project, Visitor(app.test_client()), "owner")
    assert save(ben, home, base_url=PRIVATE).status_code == 303
    assert not held(store, project).is_trusted
    assert save(ben, home, base_url="http://169.254.169.254/v1").status_code == 422


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        pytest.param({"base_url": "ftp://x"}, "must begin with http", id="scheme"),
        pytest.param({"base_url": "file:///etc/passwd"}, "must begin with http", id="file"),
        pytest.param({"base_url": "https://user:pw@x.org"}, "must not hold a user", id="password"),
        pytest.param({"base_url": "https://x.org/v1?key=1"}, "must begin with http", id="query"),
        pytest.param({"base_url": "https://[::1"}, "must begin with http", id="broken"),
        pytest.param({"base_url": "http://169.254.169.254/"}, "where clouds keep", id="metadata"),
        pytest.param({"base_url": "http://[fe80::1]/"}, "where clouds keep", id="link-local"),
        pytest.param({"base_url": "http://[fd20:ce::254]/"}, "where clouds keep", id="google"),
        pytest.param({"base_url": "http://168.63.129.16/"}, "where clouds keep", id="azure"),
        pytest.param({"base_url": "http://2852039166/"}, "where clouds keep", id="as-a-number"),
        pytest.param({"base_url": ""}, "Give the base URL", id="no-url"),
        pytest.param({"model": ""}, "model must be named", id="no-model"),
        pytest.param({"api_key": "sk\u00e4"}, "characters that no key has", id="key"),
        pytest.param({"price_in": "1"}, "need both prices", id="one-price"),
        pytest.param({"price_in": "x", "price_out": "1"}, "is no amount", id="no-price"),
        pytest.param({"price_in": "-1", "price_out": "1"}, "is no amount", id="negative"),
        pytest.param({"price_in": "NaN", "price_out": "1"}, "is no amount", id="nan"),
        pytest.param({"price_in": "1,000", "price_out": "1"}, "1000 or 1.000", id="comma"),
        pytest.param({"daily_budget": "1"}, "needs the prices", id="budget-without-prices"),
        pytest.param({"daily_tokens": "many"}, "no whole number", id="tokens"),
        pytest.param({"currency": "x" * 9}, "Write its sign", id="currency"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_was_typed_but_for_the_key(
    visitor: Visitor,
    home: str,
    store: SqliteStore,
    project: Project,
    fields: dict[str, str],
    words: str,
) -> None:
    response = save(visitor, home, **{"currency": "EUR", **fields})
    assert response.status_code == 422
    page = response.get_data(as_text=True)
    assert words in page
    assert KEY not in page
    assert fields.get("currency", "EUR") in page
    with store.read() as db:
        assert llm.find_settings(db, project.id) is None


def test_prices_and_budgets_are_read_as_people_write_them(
    visitor: Visitor, home: str, store: SqliteStore, project: Project
) -> None:
    save(
        visitor,
        home,
        price_in="0,15",
        price_out="0.60",
        price_cached="",
        daily_budget="2",
        daily_tokens="1 000 000",
        currency="€",
    )
    found = held(store, project)
    assert (found.price_in, found.price_out, found.price_cached) == ("0.15", "0.6", None)
    assert (found.daily_budget, found.daily_tokens) == ("2", 1_000_000)


def test_the_share_asked_the_cost_and_what_was_saved_are_shown_by_event(
    visitor: Visitor, home: str, store: SqliteStore, project: Project
) -> None:
    save(visitor, home, price_in="1", price_out="4", daily_budget="1", currency="$")
    event = define(store, project, name="refund")

    def spend(db: Any) -> None:
        llm_usage.count_verdicts(db, project.id, event.id, 3_400)
        llm_usage.count_asked(db, project.id, {event.id: 408})
        call = Call([event.id], Usage(20_000, 2_500), 30_000_000)
        llm_usage.add_call(db, project.id, call)

    store.write(spend)
    page = text_of(visitor.get(f"{home}/settings"))
    assert "refund 0.05 to 0.95 12 % of 3,400 verdicts $0.03 $0.03 $0.22" in page
    assert "Today, since midnight UTC: 1 call, 22,500 tokens, $0.03 of $1.00." in page
    save(visitor, home, price_in="1", price_out="4", daily_budget="0.03", currency="$")
    assert "Budget of today spent" in text_of(visitor.get(f"{home}/settings"))


def test_a_pause_is_told_of_on_every_page_until_somebody_says_try_again(
    visitor: Visitor, home: str, store: SqliteStore, project: Project
) -> None:
    save(visitor, home)
    reason = "llm.example.org refuses the API key: no. Set another key."
    store.write(lambda db: llm.pause(db, project.id, reason))
    for page in ("dashboard", "sessions", "settings"):
        assert f"The LLM judge is paused. {reason}" in text_of(visitor.get(f"{home}/{page}"))
    assert visitor.post(f"{home}/settings/llm/resume").status_code == 303
    assert "is paused" not in text_of(visitor.get(f"{home}/dashboard"))
    store.write(lambda db: llm.pause(db, project.id, reason))
    save(visitor, home)
    assert "is paused" not in text_of(visitor.get(f"{home}/dashboard"))


def test_an_event_that_needs_an_llm_says_so_where_there_is_none(
    visitor: Visitor, home: str, store: SqliteStore, project: Project
) -> None:
    define(store, project, name="only_llm", detector="llm")
    page = text_of(visitor.get(f"{home}/settings"))
    assert "Asks the LLM, which quotes its evidence from the user's message" in page
    assert "No LLM is configured." in page
    save(visitor, home)
    assert "No LLM is configured." not in text_of(visitor.get(f"{home}/settings"))


def test_a_project_may_keep_its_texts_to_itself(
    store: SqliteStore, project: Project, home: str
) -> None:
    environment = {"PHOSPHO_LLM_BASE_URL": URL, "PHOSPHO_LLM_MODEL": "gpt-e"}
    app: Flask = create_app(
        store, detectors={}, setups=Setups(Sealer(database_file(store)), environment)
    )
    visitor = Visitor(app.test_client())
    visitor.sign_in(store)
    assert "as the server’s environment says" in text_of(visitor.get(f"{home}/settings"))
    visitor.post(f"{home}/settings/llm", is_off="1")
    assert "Nothing is sent anywhere." in text_of(visitor.get(f"{home}/settings"))


def test_settings_say_when_the_budget_that_all_projects_share_is_used_up(
    store: SqliteStore, project: Project, home: str
) -> None:
    environment = {"PHOSPHO_LLM_BASE_URL": URL, "PHOSPHO_LLM_MODEL": "gpt-e"}
    app: Flask = create_app(
        store, detectors={}, setups=Setups(Sealer(database_file(store)), environment)
    )
    make(store)  # the first owns the server
    ana, ben = Visitor(app.test_client()), Visitor(app.test_client())
    enter(ana)
    member(store, project, ben, "owner")
    store.write(lambda db: llm_usage.add_shared(db, Usage(900_000, 0)))
    assert "0 calls, 0 tokens" in text_of(ben.get(f"{home}/settings"))
    assert "900,000" not in text_of(ben.get(f"{home}/settings"))
    assert "server’s LLM: 900,000 of 1,000,000 tokens" in text_of(ana.get(f"{home}/settings"))
    store.write(lambda db: llm_usage.add_shared(db, Usage(100_000, 0)))
    used_up = "What all projects together may ask of the server’s LLM today is used up."
    for visitor, can_raise in ((ana, True), (ben, False)):
        page = text_of(visitor.get(f"{home}/settings"))
        assert used_up in page
        assert "Budget of today spent" in page
        assert ("PHOSPHO_LLM_DAILY_TOKENS" in page) == can_raise
    assert save(ben, home).status_code == 303
    assert used_up not in text_of(ben.get(f"{home}/settings"))


def test_strangers_and_other_projects_change_nothing(
    stranger: Visitor, visitor: Visitor, home: str, store: SqliteStore
) -> None:
    assert save(stranger, home).status_code == 303
    assert save(visitor, "/projects/nobody").status_code == 404
    assert visitor.post("/projects/nobody/settings/llm/resume").status_code == 404
    with store.read() as db:
        assert db.rows("select 1 from llm_settings") == []


def test_another_secret_is_told_of_and_breaks_no_page(
    visitor: Visitor, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOSPHO_SECRET_KEY", "one")
    save(visitor, home)
    monkeypatch.setenv("PHOSPHO_SECRET_KEY", "another")
    page = text_of(visitor.get(f"{home}/settings"))
    assert "was sealed with another secret" in page
    assert "PHOSPHO_SECRET_KEY" in page
    assert os.environ["PHOSPHO_SECRET_KEY"] not in page.replace("another secret", "")


def test_without_the_package_that_encrypts_a_key_may_still_come_by_name(
    visitor: Visitor,
    home: str,
    store: SqliteStore,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save(visitor, home)
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)
    assert "pip install 'phospho[llm]'" in text_of(visitor.get(f"{home}/settings"))
    response = save(visitor, home, base_url="https://other.example.org/v1")
    assert response.status_code == 422
    assert "pip install 'phospho[llm]'" in text_of(response)
    assert save(visitor, home, api_key="env:MY_API_KEY").status_code == 303


def test_two_that_seal_at_once_use_the_same_secret(tmp_path: Path) -> None:
    sealers = [Sealer(tmp_path / "phospho.db") for _ in range(8)]
    sealed: list[str] = []
    threads = [
        threading.Thread(target=lambda one=one: sealed.append(one.seal(KEY))) for one in sealers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {sealers[0].open(each) for each in sealed} == {KEY}
    assert len(sealed) == 8
    assert [file.name for file in tmp_path.iterdir()] == ["phospho.db.key"]


def test_settings_show_between_which_scores_an_event_asks(
    visitor: Visitor, home: str, store: SqliteStore, project: Project
) -> None:
    save(visitor, home)
    event = define(store, project, name="refund")
    alone = define(store, project, name="alone", detector="llm")

    def answer(db: Any) -> None:
        for each in (event, alone):
            llm_usage.count_verdicts(db, project.id, each.id, 200)
        settled = {part: Answered(100, 0) for part in (-6, -5)}
        llm_agreement.note(db, project.id, event, "gpt-x", settled)

    store.write(answer)
    page = text_of(visitor.get(f"{home}/settings"))
    assert "refund 0.12 to 0.95*" in page
    assert "alone all" in page
    assert "* Narrowed" in page


def test_settings_show_how_many_verdicts_wait_for_an_llm(
    visitor: Visitor, home: str, store: SqliteStore, project: Project
) -> None:
    event = define(store, project, name="refund")
    add(store, project, *(interaction(f"t{n}") for n in range(3)))

    def note(db: Any) -> None:
        llm_unasked.note(db, project.id, [1, 2, 3], definition_id=event.id, version=1)

    store.write(note)
    page = text_of(visitor.get(f"{home}/settings"))
    assert "3 earlier verdicts that were uncertain" in page
    assert "once an LLM can be asked, it is asked about them" in page
    save(visitor, home)
    page = text_of(visitor.get(f"{home}/settings"))
    assert "for at most half of a day’s budget" in page


def test_what_events_asked_that_are_deleted_or_ask_no_more_is_part_of_the_sum(
    visitor: Visitor, home: str, store: SqliteStore, project: Project
) -> None:
    save(visitor, home)
    gone, changed = (define(store, project, name=name) for name in ("gone", "changed"))
    for event, tokens in ((gone, 700), (changed, 50)):
        call = Call([event.id], Usage(tokens))
        store.write(lambda db, call=call: llm_usage.add_call(db, project.id, call))  # type: ignore[misc]
    store.write(lambda db: delete_definition(db, project.id, gone.id))
    offline = changed.model_copy(update={"detector": "semantic"})
    store.write(lambda db: edit_definition(db, project.id, offline))
    page = text_of(visitor.get(f"{home}/settings"))
    assert "2 calls, 750 of 1,000,000 tokens" in page
    assert "(deleted events) none 0 % of 0 verdicts 700 tokens 700 tokens" in page
    assert "changed none 0 % of 0 verdicts 50 tokens 50 tokens" in page


def test_on_a_full_disk_no_half_of_a_secret_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    sealer = Sealer(tmp_path / "phospho.db")
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", refuse)
        with pytest.raises(ConfigurationError, match="No space left on device"):
            sealer.seal(KEY)
    assert list(tmp_path.iterdir()) == []
    assert sealer.open(sealer.seal(KEY)) == KEY
