"""A real Chromium at a real server. Every page is watched: no errors, no request elsewhere.

Chromium is found through `PHOSPHO_CHROMIUM` or on the path. Where there is none, these tests are
left out and the summary says so; under `CI` they fail instead.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    StorageState,
    expect,
    sync_playwright,
)
from waitress import create_server

from phospho.detectors.registry import load_detectors
from phospho.plugins import Plugins
from phospho_server import create_app
from phospho_server.store.projects import create_project
from phospho_server.store.rows import Project
from phospho_server.store.sign_ins import create_link
from phospho_server.store.sqlite import SqliteStore
from tests.browser.conversations import fill, fill_alerts, fill_webhook
from tests.waiting import PATIENCE_S

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_NAMES = ("chromium", "chromium-browser", "google-chrome")

_PATIENCE_MS = PATIENCE_S * 1_000
expect.set_options(timeout=_PATIENCE_MS)

# Read now: tests of the SDK run without settings of ours in the environment.
_CHROMIUM = os.environ.get("PHOSPHO_CHROMIUM") or next(
    filter(None, map(shutil.which, _NAMES)), None
)

_left_out = pytest.StashKey[int]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the browser tests out where there is no browser, except under CI."""
    if _CHROMIUM or os.environ.get("CI"):
        return
    needing = [item for item in items if item.get_closest_marker("browser")]
    items[:] = [item for item in items if item not in needing]
    config.stash[_left_out] = len(needing)
    config.hook.pytest_deselected(items=needing)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if count := config.stash.get(_left_out, 0):
        terminalreporter.section("browser tests")
        terminalreporter.line(
            f"{count} browser tests did not run: there is no Chromium here. Install one "
            "(Debian, Ubuntu: apt install chromium) or name it in PHOSPHO_CHROMIUM."
        )


@dataclass(frozen=True)
class Site:
    """A running server with two projects: one full of conversations, one empty.

    The full one has a webhook with messages, and alert rules, in every state.
    """

    url: str
    store: SqliteStore
    full: Project
    empty: Project
    webhook_id: str = ""
    rule_id: str = ""

    def page_of(self, project: Project, rest: str = "dashboard") -> str:
        return f"{self.url}/projects/{project.id}/{rest}"

    def make_link(self) -> str:
        return f"{self.url}/login?token={self.store.write(create_link)}"


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("site")
    store = SqliteStore(folder / "phospho.db")
    full = store.write(lambda db: create_project(db, "Travel assistant"))
    empty = store.write(lambda db: create_project(db, "Banking bot"))
    fill(store, full)
    webhook = store.write(lambda db: fill_webhook(db, full))
    rule = store.write(lambda db: fill_alerts(db, full))
    with running(store) as url:
        yield Site(url, store, full, empty, webhook.id, rule.id)


@contextmanager
def running(store: SqliteStore) -> Iterator[str]:
    """Serve a store until the end, and close it; give the address."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PHOSPHO_ALLOW_PRIVATE_WEBHOOKS", "1")
        app = create_app(store, detectors=load_detectors(Plugins(entry_points=False)))
    server: Any = create_server(app, host="127.0.0.1", port=0)
    is_closing = threading.Event()

    def serve() -> None:
        try:
            server.run()
        except Exception:
            # Its sockets may be closed while it waits for them.
            if not is_closing.is_set():
                raise

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    is_closing.set()
    server.close()
    thread.join(PATIENCE_S)
    store.close()


# Until it is stopped, Playwright's own event loop stands in the way of tests that use asyncio.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    assert _CHROMIUM, "Install Chromium, or name it in PHOSPHO_CHROMIUM."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_CHROMIUM, args=_ARGUMENTS, timeout=_PATIENCE_MS
        )
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def signed_in(browser: Browser, site: Site) -> StorageState:
    """Return the cookies of somebody who has used a sign-in link."""
    context = browser.new_context()
    context.set_default_timeout(_PATIENCE_MS)
    context.new_page().goto(site.make_link())
    state = context.storage_state()
    context.close()
    return state


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, signed_in: StorageState, site: Site) -> Iterator[OpenPage]:
    """Open pages whose every request and message is looked at when the test ends."""
    with watching(browser, site.url, signed_in) as open_one:
        yield open_one


@contextmanager
def watching(
    browser: Browser, url: str, signed_in: StorageState | None = None
) -> Iterator[OpenPage]:
    """Open pages, each in a context of its own, and find no trouble at the end.

    Args:
        browser: Where they are opened.
        url: The only server that may be asked.
        signed_in: The cookies of those that are opened as `known`.
    """
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def open_one(*, known: bool = True, **options: Any) -> Page:
        settings: dict[str, Any] = {"reduced_motion": "reduce", **options}
        context = browser.new_context(storage_state=signed_in if known else None, **settings)
        context.set_default_timeout(_PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(f"script: {error}"))
        page.on(
            "console",
            lambda message: (
                troubles.append(f"console: {message.text}")
                if message.type in {"error", "warning"}
                else None
            ),
        )
        page.on(
            "request",
            lambda request: (
                troubles.append(f"elsewhere: {request.url}")
                if urlsplit(request.url).netloc != urlsplit(url).netloc
                else None
            ),
        )
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert troubles == []
