"""Payloads in every text that there is, on every page that there is: none of them does anything."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urljoin

import pytest
from flask import Flask
from playwright.sync_api import Browser, Dialog, Page, StorageState
from werkzeug.routing import BuildError, MapAdapter, Rule

import phospho_server
from phospho.detectors.registry import load_detectors
from phospho.plugins import Plugins
from phospho_server import create_app
from phospho_server.store.sqlite import SqliteStore
from phospho_server.views.frame import _is_plain
from tests.browser.conftest import Site, running, watching
from tests.browser.hostile import EVERYTHING, PAYLOADS, Hostile, fill, packed

pytestmark = pytest.mark.browser

_SERVER = Path(phospho_server.__file__).parent
_SOURCES = [*_SERVER.glob("templates/**/*.html"), _SERVER / "views" / "drawing.py"]

# What our own pages consist of; any other element was made by a text.
OUR_TAGS = sorted(
    {
        tag
        for source in _SOURCES
        for tag in re.findall(r"<([a-z][a-z0-9]*)", source.read_text(encoding="utf-8").lower())
    }
)

# Returns what is wrong with a page. Its texts may show no character that hides or reorders others.
LOOK = """ourTags => {
  const found = [];
  const addresses = new Set(["href", "src", "action", "formaction", "data", "poster", "srcset",
    "background", "ping", "cite", "manifest", "xlink:href", "data-pulse", "data-preview"]);
  for (const each of document.querySelectorAll("*")) {
    const tag = each.localName;
    if (!ourTags.includes(tag)) found.push(`an element <${tag}>`);
    if (tag === "script" && (each.text || !each.src)) found.push(`a script: ${each.outerHTML}`);
    for (const { name, value } of each.attributes) {
      if (name.startsWith("on") || ["style", "srcdoc", "xss"].includes(name))
        found.push(`<${tag} ${name}="${value}">`);
      if (!addresses.has(name)) continue;
      const address = new URL(value, document.baseURI);
      if (address.origin !== location.origin) found.push(`<${tag} ${name}="${value}">`);
    }
  }
  const hidden = new RegExp("[\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u200b" +
    "\\u202a-\\u202e\\u2060-\\u206f\\ufeff\\u{e0000}-\\u{e007f}]", "u");
  const kinds = NodeFilter.SHOW_TEXT | NodeFilter.SHOW_COMMENT;
  const texts = document.createTreeWalker(document, kinds);
  while (texts.nextNode()) {
    const { nodeType, data, parentElement } = texts.currentNode;
    if (nodeType === Node.COMMENT_NODE) found.push(`a comment: ${data}`);
    else if (parentElement.localName !== "textarea" && hidden.test(data))
      found.push(`hidden characters in <${parentElement.localName}>: ${JSON.stringify(data)}`);
  }
  if (window.__hit) found.push("a script ran");
  return [...new Set(found.concat(window.__violations))].slice(0, 5);
}"""

WATCH = """
window.__violations = [];
addEventListener("securitypolicyviolation", event => {
  window.__violations.push(`${event.violatedDirective}: ${event.blockedURI}`);
});
"""


@dataclass(frozen=True)
class HostileSite:
    """A running server full of payloads, and the cookies of somebody who is signed in."""

    site: Site
    hostile: Hostile
    app: Flask
    state: StorageState

    def is_file(self, address: str) -> bool:
        """Tell whether there is no page behind an address but a file or JSON."""
        return re.search(r"/(export/|pulse$|v\d/|healthz|api/|metrics)", address) is not None


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[HostileSite]:
    store = SqliteStore(tmp_path_factory.mktemp("hostile") / "phospho.db")
    detectors = load_detectors(Plugins(entry_points=False))
    hostile = fill(store, detectors)
    app = create_app(store, detectors=detectors)
    with running(store) as url:
        site = Site(url, store, hostile.project, hostile.project)
        context = browser.new_context()
        context.new_page().goto(site.make_link())
        yield HostileSite(site, hostile, app, context.storage_state())
        context.close()


def arguments(hostile: Hostile) -> dict[str, Sequence[Any]]:
    """Return what may stand in an address, by the name it has in its rule."""
    return {
        "project_id": [hostile.project.id],
        "session_id": list(filter(_is_plain, hostile.session_ids)),
        "user_id": list(filter(_is_plain, hostile.user_ids)),
        "task_id": ["task"],
        "event_id": hostile.event_ids,
        "definition_id": hostile.event_ids,
        "webhook_id": [hostile.webhook_id],
        "rule_id": [hostile.rule_id],
        "erasure_id": [hostile.erasure_id],
        "version": [1, 2],
        "page": ["sessions", "interactions", "users"],
    }


# Our own files, numbers for programs, and what `list_questions` and `list_refused` ask for.
ASKED_FOR = {
    *("static", "health.metrics", "sessions.show_by_id", "users.show_by_id", "sign_up.show"),
}


def list_addresses(app: Flask, hostile: Hostile) -> list[str]:
    """Return the addresses of every page of the app, with every id it may be asked for."""
    known = arguments(hostile)
    addresses: list[str] = []
    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.endpoint in ASKED_FOR:
            continue
        unknown = rule.arguments - known.keys()
        assert not unknown, (
            f"What may stand in {rule.rule}? Let `arguments` in this file have {unknown}, and "
            "let tests/browser/hostile.py fill what the page shows with payloads."
        )
        addresses += _build(app.url_map.bind(""), rule, known)
    return addresses


def _build(adapter: MapAdapter, rule: Rule, known: dict[str, Sequence[Any]]) -> Iterator[str]:
    names = sorted(rule.arguments)
    for values in itertools.product(*(known[name] for name in names)):
        filled = dict(zip(names, values, strict=True))
        try:
            yield adapter.build(rule.endpoint, filled)
        except BuildError:
            pytest.fail(f"{rule.rule} cannot be asked for with {filled}.")


def list_questions(hostile: Hostile) -> list[str]:
    """Return pages that are asked with payloads in every filter, and by ids not for a path."""
    home = f"/projects/{hostile.project.id}"
    packs = itertools.cycle(packed(290))
    addresses = [
        f"{home}/{page}?{urlencode({'id': each})}"
        for page, ids in (("session", hostile.session_ids), ("user", hostile.user_ids))
        for each in ids
        if not _is_plain(each)
    ]
    names = ("q", "user", "version", "model", "flag", "language", "period", "since", "length")
    for first in range(0, len(PAYLOADS), 25):
        some = PAYLOADS[first : first + 25]
        query = [(name, next(packs)) for name in (*names, "sort", "notes", "sentiment", "until")]
        query += [("event", each) for each in some[:10]] + [
            ("without", each) for each in some[10:20]
        ]
        query += [("metadata", f"{each}={each}"[:300]) for each in some[15:]]
        asked = urlencode(query)
        addresses += [f"{home}/{page}?{asked}" for page in ("sessions", "interactions", "search")]
    addresses += [f"{home}/{page}?{asked}" for page in ("users", "dashboard")]
    return addresses + [f"{home}/search?{urlencode({'q': each[:300]})}" for each in PAYLOADS[::20]]


def list_refused(hostile: Hostile) -> list[str]:
    """Return addresses that have no page."""
    home = f"/projects/{hostile.project.id}"
    texts = [quote(text, safe="") for text in (*packed(1000), "../..")]
    return [
        address
        for text in texts
        for address in (f"/nowhere/{text}", f"{home}/sessions/{text}", f"{home}/export/{text}")
    ] + [
        f"{page}?cursor={texts[0]}&token={texts[0]}&next={texts[0]}"
        for page in ("/signup", "/login", *(f"{home}/{name}" for name in ("users", "user")))
    ]


def look_at(page: Page, address: str) -> list[str]:
    """Open a page, all of it, and return what is wrong with it."""
    page.goto(address)
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    return [f"{address}: {problem}" for problem in page.evaluate(LOOK, OUR_TAGS)]


def further(page: Page) -> list[str]:
    """Return where the lists of a page go on."""
    links = page.locator("nav.pages a").all()
    return [urljoin(page.url, link.get_attribute("href") or "") for link in links]


def prepare(page: Page) -> list[str]:
    """Have a page tell of violations and dialogs; the list gets the dialogs."""
    dialogs: list[str] = []

    def refuse(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)
    page.add_init_script(WATCH)
    return dialogs


def test_there_are_many_payloads() -> None:
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 120
    assert max(map(len, PAYLOADS)) <= 300


def test_no_payload_does_anything_on_any_page(browser: Browser, full: HostileSite) -> None:
    site, problems = full.site, []
    waiting = [*list_addresses(full.app, full.hostile), *list_questions(full.hostile)]
    waiting, seen = [site.url + address for address in waiting], set[str]()
    with watching(browser, site.url, full.state) as open_one:
        page = open_one()
        dialogs = prepare(page)
        while waiting:
            address = waiting.pop()
            if address in seen:
                continue
            seen.add(address)
            if full.is_file(address):
                answer = page.request.get(address)
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert "html" not in answer.headers["content-type"]
                continue
            problems += look_at(page, address)
            waiting += further(page)
        assert problems == [], "\n".join(problems)
        assert dialogs == []
    # Lists go on on further pages.
    assert any("cursor=" in address for address in seen)


def test_no_payload_does_anything_where_there_is_no_page(
    browser: Browser, full: HostileSite
) -> None:
    # Not watched: a browser calls every refusal an error.
    context = browser.new_context(storage_state=full.state)
    page = context.new_page()
    dialogs = prepare(page)
    problems = []
    for address in list_refused(full.hostile):
        problems += look_at(page, full.site.url + address)
    assert problems == dialogs == []
    context.close()


def test_no_payload_does_anything_in_parts_that_are_replaced(
    browser: Browser, full: HostileSite
) -> None:
    site, project = full.site, full.hostile.project
    with watching(browser, site.url, full.state) as open_one:
        page = open_one()
        dialogs = prepare(page)
        page.goto(site.page_of(project, "settings"))
        page.get_by_text("Define an event").click()
        with page.expect_response(re.compile("preview")):
            page.get_by_label("Description").fill("The user says 'xss'")
        page.locator("[data-preview] mark").first.wait_for()
        assert page.evaluate(LOOK, OUR_TAGS) == []
        page.goto(site.page_of(project, f"sessions/{EVERYTHING}"))
        with page.expect_response(re.compile("reviews")):
            page.locator('button[value^="yes "]').first.click()
        page.locator("#said button").wait_for()
        assert page.evaluate(LOOK, OUR_TAGS) == []
        assert dialogs == []


def test_the_pages_show_the_payloads_as_text(full: HostileSite, browser: Browser) -> None:
    """A page that shows nothing of them would pass the other tests."""
    with watching(browser, full.site.url, full.state) as open_one:
        page = open_one()
        for rest, least in (
            (f"sessions/{EVERYTHING}", 120),
            ("settings", 120),
            ("sessions", 40),
            ("interactions", 40),
            ("users", 40),
            ("events", 100),
        ):
            page.goto(full.site.page_of(full.hostile.project, rest))
            text = unescape(page.locator("body").evaluate("body => body.textContent"))
            shown = sum(payload[:30] in text for payload in PAYLOADS)
            assert shown >= least, f"{rest} shows {shown}"


ID_COLUMNS = re.compile(r"(^|_)(id|ids|hash)$")

# Texts that the server makes or chooses, that are checked to be a number, a code or an address, or
# that no page shows.
OURS = frozenset(
    f"{table}.{column}"
    for table, columns in {
        "api_keys": "prefix",
        "audit_log": "action",
        "counters": "metric key",
        "detections": "embedder",
        "event_cuts": "embedder directions",
        "event_definition_versions": "scope detector",
        "event_definitions": "scope detector",
        "facts": "fact",
        "feedback": "flag",
        "day_counters": "metric key",
        "interactions": "flag language",
        "invitations": "role",
        "erasures": "kind removed checked",
        "jobs": "kind payload holder",
        "kept_facts": "fact",
        "llm_agreement": "model",
        "memberships": "role",
        "llm_answers": "key answer",
        "llm_settings": "base_url api_key price_in price_out price_cached daily_budget",
        "processes": "host",
        "reviews": "source embedder",
        "saved_views": "page",
        "secrets": "name value",
        "session_details": "metadata data notes preview",
        "sessions": "feeling",
        "spans": "record content",
        "removed_ids": "table_name",
        "vectors": "made_by",
        "verdict_counts": "embedder",
        "minute_counters": "metric key",
        "webhook_deliveries": "state type",
        "webhooks": "url format secret page_url hears",
    }.items()
    for column in columns.split()
)


def test_every_text_that_is_stored_holds_payloads(full: HostileSite) -> None:
    with full.site.store.read() as db:
        tables = db.rows(
            "select name from sqlite_master where type = 'table' and sql like '%strict%'"
        )
        empty = []
        for table in (row["name"] for row in tables):
            for column in db.rows("select name, type from pragma_table_info(:t)", {"t": table}):
                name = f"{table}.{column['name']}"
                if column["type"] != "TEXT" or ID_COLUMNS.search(column["name"]) or name in OURS:
                    continue
                found = db.row(
                    f"select count(*) as n from {table} where {column['name']} like '%xss%'"
                )
                if not found or found["n"] < 1:
                    empty.append(name)
    assert not empty, (
        f"Let tests/browser/hostile.py fill these columns with payloads, or name them in OURS: "
        f"{', '.join(empty)}"
    )
