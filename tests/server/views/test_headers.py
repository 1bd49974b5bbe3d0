"""What every answer tells browsers to refuse, and what no header changes."""

from __future__ import annotations

import pytest
from flask import Flask

from phospho_server.clock import DAY_MS, now_ms
from phospho_server.services import Services
from phospho_server.store import sign_ins
from phospho_server.store.sqlite import SqliteStore
from tests.server.views.conftest import Visitor, text_of


def test_every_answer_refuses_what_is_not_named(stranger: Visitor, ana: Visitor) -> None:
    for path in ("/login", "/account", "/nowhere", "/static/app.css", "/healthz", "/v2/log/x"):
        with ana.get(path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; ")
            for never in ("unsafe", "*", "data:", "http"):
                assert never not in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "same-origin"
            assert "camera=()" in answer.headers["Permissions-Policy"]
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert "Server" not in answer.headers
    assert ana.get("/account").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("host", ["evil.example", "a b", "<script>", "[bad", "x:99999", "é", ""])
def test_any_host_header_is_answered_without_leading_there(
    ana: Visitor, home: str, host: str
) -> None:
    for path in ("/login", "/signup", f"{home}/settings", "/"):
        answer = ana.get(path, headers={"Host": host})
        assert answer.status_code < 500
        assert not answer.headers.get("Location", "/").startswith(("http", "//"))
        assert "<script>" not in answer.get_data(as_text=True).replace('<script src="/', "")


def test_services_are_of_one_application(app: Flask) -> None:
    found = app.extensions["phospho"]
    assert isinstance(found, Services)
    assert (
        found.tries
        is not Services(found.store, {}, lambda: None, found.running, found.metrics).tries
    )


def test_a_full_disk_keeps_nobody_from_reading(
    ana: Visitor, store: SqliteStore, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from phospho_server.errors import StorageFullError

    def refuse(_change: object) -> None:
        raise StorageFullError("The disk is full.")

    store.write(lambda db: db.execute(f"update sign_ins set last_seen_at_ms = {now_ms() - DAY_MS}"))
    monkeypatch.setattr(store, "write", refuse)
    assert ana.get(f"{home}/dashboard").status_code == 200


def test_a_link_opened_in_a_browser_that_was_signed_in_takes_its_place(
    ana: Visitor, store: SqliteStore
) -> None:
    ana.sign_in(store)
    assert "One-time link" in text_of(ana.get("/account"))
    with store.read() as db:
        assert len(db.rows("select 1 from sign_ins")) == 1
        assert len(sign_ins.list_sign_ins(db, None)) == 1


@pytest.mark.parametrize("is_signed_in", [True, False])
def test_a_mistake_of_the_server_is_told_to_its_log_alone(
    visitor: Visitor,
    stranger: Visitor,
    store: SqliteStore,
    home: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    is_signed_in: bool,
) -> None:
    def fail() -> None:
        raise RuntimeError("what only the log may say")

    asking = visitor if is_signed_in else stranger
    monkeypatch.setattr(store, "read", fail)
    for path in (f"{home}/dashboard", "/login", "/healthz"):
        answer = asking.get(path)
        if answer.status_code == 302:
            continue
        assert answer.status_code == 500
        assert "The server made a mistake" in text_of(answer)
        assert "what only the log may say" not in answer.get_data(as_text=True)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
    assert "what only the log may say" in caplog.text
