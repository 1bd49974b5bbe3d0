"""What axe has to say about a page, in both of its themes."""

from __future__ import annotations

from typing import Any, Literal

from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Page

# To tell what was right too would take a quarter of the time.
_FIND = "options => axe.run(options).then(found => ({ violations: found.violations }))"

_EVERYTHING = {"resultTypes": ["violations"]}

# The only rules that look at colours; `test_look.py` holds that themes differ in nothing else.
_COLOURS = {**_EVERYTHING, "runOnly": ["color-contrast", "link-in-text-block"]}

_THEMES: tuple[tuple[Literal["light", "dark"], dict[str, Any]], ...] = (
    ("light", _EVERYTHING),
    ("dark", _COLOURS),
)


def assert_accessible(page: Page) -> None:
    """Fail where axe finds anything wrong with a page as it stands there, light or dark."""
    page.evaluate(AXE_SCRIPT)
    for theme, options in _THEMES:
        page.emulate_media(color_scheme=theme)
        results = AxeResults(page.evaluate(_FIND, options))
        where = f"{page.url}, {theme}"
        assert results.violations_count == 0, f"{where}: {results.generate_report()}"
