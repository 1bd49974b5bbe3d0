"""`phospho serve` beyond its own machine, and behind a proxy, as a real process."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.server.processes import phospho, serving
from tests.waiting import PATIENCE_S

ANA, PASSWORD = "ana@example.com", "a password of a test"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "phospho.db"


def make_account(database: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "phospho_server", "accounts", "create", ANA, "--password-stdin",
         "--database", str(database)],
        input=PASSWORD, text=True, capture_output=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr


def token_of(answer: httpx.Response) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', answer.text)
    assert found
    return found.group(1)


def sign_in(browser: httpx.Client, password: str = PASSWORD, **headers: str) -> httpx.Response:
    token = token_of(browser.get("/login", headers=headers))
    fields = {"csrf_token": token, "email": ANA, "password": password}
    return browser.post("/login", data=fields, headers=headers)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_nobody_else_is_let_near_a_server_without_an_account(database: Path, host: str) -> None:
    ended = phospho("serve", "--host", host, "--port", "0", "--database", str(database))
    assert ended.returncode == 1
    assert "phospho accounts create EMAIL --password-stdin" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_with_an_account_it_listens_everywhere_and_warns(database: Path) -> None:
    make_account(database)
    with (
        serving(database, "--host", "0.0.0.0") as server,
        httpx.Client(base_url=server.url, timeout=PATIENCE_S) as b,
    ):
        assert server.url.startswith("http://127.0.0.1:")
        port = int(server.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.2", port), timeout=PATIENCE_S):
            pass
        assert b.get("/signup").status_code == 403
        assert sign_in(b).status_code == 302
        assert b.get("/account").status_code == 200
    assert "without encryption" in server.problems


def test_an_account_made_while_the_server_runs_can_sign_in(database: Path) -> None:
    with (
        serving(database) as server,
        httpx.Client(base_url=server.url, timeout=PATIENCE_S) as browser,
    ):
        assert browser.get("/signup").status_code == 200
        make_account(database)
        assert browser.get("/signup").status_code == 403
        assert sign_in(browser).status_code == 302
        assert browser.get("/account").status_code == 200
    assert "without encryption" not in server.problems


def test_a_proxy_that_is_named_says_who_asks_and_how(database: Path) -> None:
    make_account(database)
    with serving(database, "--behind-proxy") as server:
        with httpx.Client(base_url=server.url, timeout=PATIENCE_S) as browser:
            answer = browser.get("/login", headers={"X-Forwarded-Proto": "https"})
            assert "Secure" in answer.headers["Set-Cookie"]
            assert answer.headers["Strict-Transport-Security"]
            assert "Secure" not in browser.get("/login").headers["Set-Cookie"]
        with httpx.Client(base_url=server.url, timeout=PATIENCE_S) as browser:
            of_one = {"X-Forwarded-For": "203.0.113.1"}
            # What a client claims itself stands before what the proxy adds.
            forged = {"X-Forwarded-For": "198.51.100.9, 203.0.113.1"}
            tried = [sign_in(browser, "wrong", **of_one).status_code for _ in range(10)]
            assert tried == [403] * 10
            assert sign_in(browser, "wrong", **forged).status_code == 429
            token = token_of(browser.get("/login"))
            other = {"csrf_token": token, "email": "b@example.com", "password": "wrong"}
            from_other = {"X-Forwarded-For": "203.0.113.2"}
            assert browser.post("/login", data=other, headers=from_other).status_code == 403
    assert "without encryption" not in server.problems


def test_a_proxy_that_is_not_named_is_not_believed(database: Path) -> None:
    make_account(database)
    for options in ([], ["--behind-proxy", "192.0.2.1"]):
        with (
            serving(database, *options) as server,
            httpx.Client(base_url=server.url, timeout=PATIENCE_S) as browser,
        ):
            answer = browser.get("/login", headers={"X-Forwarded-Proto": "https"})
            assert "Secure" not in answer.headers["Set-Cookie"]
            tried = [
                sign_in(browser, "wrong", **{"X-Forwarded-For": f"203.0.113.{n}"}).status_code
                for n in range(11)
            ]
            assert tried == [403] * 10 + [429]


def test_any_proxy_may_be_believed(database: Path) -> None:
    with serving(database, "--behind-proxy", "*") as server:
        answer = httpx.get(
            f"{server.url}/login", headers={"X-Forwarded-Proto": "https"}, timeout=PATIENCE_S
        )
        assert "Secure" in answer.headers["Set-Cookie"]
        assert httpx.get(f"{server.url}/signup", timeout=PATIENCE_S).status_code == 403


def test_what_comes_by_a_proxy_does_not_own_a_new_server(database: Path) -> None:
    with serving(database) as server:
        assert httpx.get(f"{server.url}/signup", timeout=PATIENCE_S).status_code == 200
        for name in ("X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Via", "X-Real-Ip"):
            answer = httpx.get(
                f"{server.url}/signup", headers={name: "127.0.0.1"}, timeout=PATIENCE_S
            )
            assert answer.status_code == 403, name
