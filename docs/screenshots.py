# ruff: noqa: INP001 - a script beside the documentation, not a package
"""Draw every page, in both themes and at two widths, to be looked at and for the README.

    phospho demo                                   # prints a sign-in link
    python docs/screenshots.py SIGN_IN_LINK OUT_DIR
    python docs/screenshots.py SIGN_IN_LINK docs/images --kept

`--kept` draws those that are kept in this repository: the main pages, as a desktop shows them.
Needs playwright (dependency group `test`) and a Chromium: `PHOSPHO_CHROMIUM`, or one on the path.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, StorageState, sync_playwright

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# A user of the demo books a flight and says thanks: two events in a transcript of one screen.
SESSION = "demo_s028"
# What `docs/pages.md` shows.
KEPT = (
    *("dashboard", "sessions", "transcript", "interactions", "users", "user", "events", "event"),
    *("event-review", "event-edit", "event-versions", "search", "settings", "members"),
    *("audit-log", "projects", "account"),
)
WIDTHS = {"": (1440, 900), "-phone": (390, 844)}
THEMES = {"": "light", "-dark": "dark"}


def find_chromium() -> str:
    """Return the path of a Chromium."""
    named = os.environ.get("PHOSPHO_CHROMIUM")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = named or next(filter(None, map(shutil.which, names)), None)
    if not found:
        raise SystemExit("There is no Chromium. Install it, or name it in PHOSPHO_CHROMIUM.")
    return found


def sign_in(browser: Browser, link: str) -> tuple[StorageState, str]:
    """Return the cookies of a sign-in, and the address of the dashboard."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(link)
    if not page.url.partition("?")[0].endswith("/dashboard"):
        raise SystemExit(f"This link did not lead to a dashboard but to {page.url}. Make another.")
    state = context.storage_state()
    address = page.url.partition("?")[0]
    context.close()
    return state, address


def list_pages(page: Page, dashboard: str) -> Iterator[tuple[str, str]]:
    """Return a name and an address for each page of the demo.

    The navigation says which there are; what it does not lead to is named here.
    """
    project = dashboard.removesuffix("/dashboard")
    home = project.rpartition("/projects/")[0]
    page.goto(dashboard)
    for link in page.locator("nav[aria-label=Project] a").all():
        address = str(link.evaluate("link => link.href"))
        yield address.rpartition("/")[2], address
    # The conversations of the demo are of 30 days: only a shorter period has one before it.
    yield "dashboard", f"{dashboard}?period=7d"
    yield "dashboard-feedback", f"{dashboard}?period=30d&step=week&show=feedback"
    yield "dashboard-hours", f"{dashboard}?period=24h&show=events"
    yield "transcript", f"{project}/sessions/{SESSION}"
    yield "projects", f"{home}/projects"
    page.goto(f"{project}/events")
    event = str(page.locator(".preview a").first.evaluate("link => link.href"))
    yield "event", event
    yield "event-review", f"{event}/review"
    page.goto(f"{project}/settings")
    edit = str(page.get_by_role("link", name="Edit").first.evaluate("link => link.href"))
    yield "event-edit", edit
    yield "event-versions", f"{edit}/versions"
    yield "new-event", f"{project}/settings?template=refund#new-event"
    yield "members", f"{project}/settings/members"
    yield "audit-log", f"{project}/settings/audit-log"
    yield "account", f"{home}/account"
    page.goto(f"{project}/users")
    yield "user", str(page.locator(".preview a").first.evaluate("link => link.href"))


def show_evidence(page: Page) -> None:
    """Bring the first marked words of a transcript into sight; other pages have none."""
    mark = page.locator("mark").first
    if mark.count():
        mark.evaluate("words => words.scrollIntoView({block: 'center'})")


def draw(
    browser: Browser, state: StorageState, dashboard: str, folder: Path, *, only_kept: bool
) -> None:
    """Write one picture for each page, width and theme."""
    context = browser.new_context(storage_state=state)
    pages = dict(list_pages(context.new_page(), dashboard))
    context.close()
    for width_name, (width, height) in WIDTHS.items():
        for theme_name, theme in THEMES.items():
            context = browser.new_context(
                storage_state=state,
                viewport={"width": width, "height": height},
                color_scheme="dark" if theme == "dark" else "light",
                reduced_motion="reduce",
            )
            page = context.new_page()
            for name, address in pages.items():
                if only_kept and name not in KEPT:
                    continue
                page.goto(address)
                show_evidence(page)
                path = folder / f"{name}{width_name}{theme_name}.png"
                page.screenshot(path=path, full_page=not only_kept)
                sys.stdout.write(f"{path} {path.stat().st_size:,}\n")
            context.close()


def main() -> None:
    """Sign in and draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("link", help="a sign-in link")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kept", action="store_true", help="only those of this repository")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        state, dashboard = sign_in(browser, options.link)
        draw(browser, state, dashboard, options.folder, only_kept=options.kept)
        browser.close()


if __name__ == "__main__":
    main()
