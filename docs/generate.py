# ruff: noqa: INP001 - a script beside the documentation, not a package
"""Write what of the documentation comes from the code: `make docs`.

The end of `extraction.md` shows, for each source, what phospho reads of the values recorded in
`tests/extractors/recorded/`. What stands above the mark there is written by hand. So is
`opentelemetry.md`, but for a table of which each cell is tested.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

# The page tells of the phospho it stands beside, whichever is installed.
sys.path.insert(0, str(Path(__file__).parent.parent))

from phospho.collecting import Collector
from phospho.extraction import Extracted, extract
from phospho.extractors import catalogue
from phospho.plugins import Plugins
from tests.server.instrumented.table import as_markdown

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "extraction.md"
RECORDED = ROOT / "tests" / "extractors" / "recorded"

OTEL_PAGE = ROOT / "docs" / "opentelemetry.md"
OTEL_BEGIN = "<!-- From here to the next mark, `make docs` writes this page. -->\n"
OTEL_END = "<!-- End of what `make docs` writes. -->\n"

# All that comes after it is generated.
MARK = "<!-- From here on, `make docs` writes this page. -->\n"

FACTS = tuple(field.name for field in dataclasses.fields(Extracted))

# A longer cell makes a table that scrolls sideways.
MAX_CELL_CHARS = 72

_TICK = "✓"
_STREAM = "chunks"


@dataclasses.dataclass(frozen=True)
class Example:
    """A source with its recorded values, and what phospho reads of them now.

    Args:
        name: The extractor's module, or another name where those of other sources read it.
        title: What people call the library.
        library: The one whose values were recorded, with its version.
        reads: For each recorded value, as `input`, `output` or `chunks`, its facts.
    """

    name: str
    title: str
    library: str
    reads: Mapping[str, Extracted]


def main() -> None:
    """Write the pages."""
    PAGE.write_text(page(), encoding="utf-8")
    OTEL_PAGE.write_text(otel_page(), encoding="utf-8")


def otel_page() -> str:
    """Return the page on OpenTelemetry with the table that its tests check."""
    before, begin, rest = OTEL_PAGE.read_text(encoding="utf-8").partition(OTEL_BEGIN)
    _, end, after = rest.partition(OTEL_END)
    return f"{before}{begin}\n{as_markdown()}\n{end}{after}"


def page() -> str:
    """Return the page as it has to be: what is written by hand, and what is generated."""
    by_hand = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    examples = [read_recording(name) for name in recorded_names()]
    parts = [summary(examples), *(section(example) for example in examples), rest(examples)]
    return by_hand + MARK + "\n" + "\n".join(parts)


def recorded_names() -> list[str]:
    """Return the sources with a recording, in the order in which phospho asks them."""
    recorded = {path.stem for path in RECORDED.glob("*.json")}
    known = dict.fromkeys((*catalogue.every_name(), catalogue.DELTAS))
    return [*(name for name in known if name in recorded), *sorted(recorded - known.keys())]


def read_recording(name: str) -> Example:
    """Run the extractors on each recorded value that says what is read of it."""
    recording = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    reads = {which: read(recording[which], which) for which in recording["reads"]}
    return Example(name, recording["title"], recording["library"], reads)


def read(value: Any, which: str) -> Extracted:
    """Return what `phospho.log` would find in a value: of chunks, once they have gone by."""
    plugins = Plugins(entry_points=False, built_in=())
    if which == _STREAM:
        collector = Collector(plugins)
        for chunk in value:
            collector.add(chunk)
        facts = collector.read("generator").facts
    else:
        facts = extract(value, "input" if which.startswith("input") else "output", plugins)
    if facts is None:
        raise SystemExit(f"No extractor reads this {which}: {cut(json.dumps(value))}")
    return facts


def summary(examples: Sequence[Example]) -> str:
    """Return the table of all sources."""
    wanted = [fact for fact in FACTS if fact != "text"]
    lines = [row("", "checked with", "streams", *map(label, wanted))]
    lines.append("|---|---|" + ":-:|" * (len(wanted) + 1))
    for example in examples:
        found = {f for facts in example.reads.values() for f in FACTS if getattr(facts, f)}
        ticks = [has_stream(example), *(fact in found for fact in wanted)]
        title = f"[{example.title}](#{anchor(example.title)})"
        lines.append(row(title, example.library, *(_TICK if tick else "" for tick in ticks)))
    legend = "A tick says that the values below show it."
    return f"## At a glance\n\n{legend}\n\n" + "\n".join(lines) + "\n"


def module_of(name: str) -> ModuleType | None:
    """Return the extractor of a source that has its own."""
    path = f"{catalogue.PACKAGE}.{name}"
    return importlib.import_module(path) if importlib.util.find_spec(path) else None


def has_stream(example: Example) -> bool:
    """Tell whether the chunks of a stream are read."""
    return _STREAM in example.reads or hasattr(module_of(example.name), "Chunks")


def section(example: Example) -> str:
    """Return what one source is, how it is known, and what is read of its recorded values."""
    what, *more = docstring(example.name) or [""]
    told = [
        f"## {example.title}",
        what,
        "\n".join(f"* {point}" for point in recognised(example)),
        table(example),
        *more,
    ]
    return "\n\n".join(filter(None, told)) + "\n"


def rest(examples: Sequence[Example]) -> str:
    """Return who reads what is of no source, in the order in which they are asked."""
    shown = {example.name for example in examples}
    names = [n for n in (*catalogue.GENERAL, catalogue.FALLBACK) if n not in shown]
    told = [f"{place}. {' '.join(docstring(name))}" for place, name in enumerate(names, 1)]
    return "## Everything else\n\n" + "\n".join(told) + "\n"


def docstring(name: str) -> list[str]:
    """Return the paragraphs of an extractor's docstring: what it reads, and the source of that."""
    module = module_of(name)
    if module is None or not module.__doc__:
        return []
    first, *rest = module.__doc__.strip().split("\n\n")
    what = re.sub(r"^Read (text out of )?", "Reads ", first)
    return [escaped(" ".join(paragraph.split())) for paragraph in (what, *rest)]


def recognised(example: Example) -> Iterator[str]:
    """Say by what phospho knows that a value may be of a source, and whether it reads streams."""
    for source in (source for source in catalogue.SOURCES if source.name == example.name):
        if source.packages:
            yield f"Objects of {listed(source.packages)}."
        if source.fields:
            yield f"Dicts and other objects are looked at if they have: {shapes(source.fields)}."
        if source.chunk_fields:
            yield f"Chunks of a stream, if they have: {shapes(source.chunk_fields)}."
    if example.name in catalogue.GENERAL:
        yield "Asked about every value that none of the others knows."
    if not has_stream(example):
        yield "Streams are not read."


def shapes(sets: Sequence[frozenset[str]]) -> str:
    """Return sets of names, each written as a sum."""
    return " · ".join(sorted(" + ".join(code(name) for name in sorted(one)) for one in sets))


def listed(names: frozenset[str]) -> str:
    """Return names in code type."""
    return ", ".join(code(name) for name in sorted(names))


def table(example: Example) -> str:
    """Return what is read of each recorded value, without what is in none of them."""
    columns = {"stream" if w == _STREAM else w: facts for w, facts in example.reads.items()}
    lines = [row("read from the", *columns), "|---|" + "---|" * len(columns)]
    for fact in FACTS:
        found = [getattr(facts, fact) for facts in columns.values()]
        if any(found):
            lines.append(row(label(fact), *(cell(fact, value) for value in found)))
    return "\n".join(lines)


def label(fact: str) -> str:
    """Return the name under which people read a fact."""
    return "metadata" if fact == "extra" else fact.replace("_", " ")


def cell(fact: str, value: Any) -> str:
    """Return one value as it can stand in a table: its begin, on one line."""
    if not value:
        return ""
    return _CELLS.get(fact, _show)(value)


def _show(value: Any) -> str:
    return escaped(cut(str(value)).replace("`", "'"))


def _show_calls(calls: Sequence[Mapping[str, str]]) -> str:
    return "<br>".join(code(cut(f"{call['name']}({call['arguments']})")) for call in calls)


def _show_pairs(pairs: Mapping[str, Any]) -> str:
    told = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in pairs.items()]
    return "<br>".join(code(cut(pair)) for pair in told)


def _show_usage(usage: Mapping[str, int]) -> str:
    return "<br>".join(f"{count} {name.removesuffix('_tokens')}" for name, count in usage.items())


_CELLS: dict[str, Callable[[Any], str]] = {
    "usage": _show_usage,
    "tool_calls": _show_calls,
    "error": _show_pairs,
    "extra": _show_pairs,
}


def row(*cells: str) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"


def cut(text: str) -> str:
    """Return a text on one line, its begin where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_CELL_CHARS else line[: MAX_CELL_CHARS - 1].rstrip() + "…"


def code(text: str) -> str:
    """Return a text in code type; in a table, GitHub wants a bar escaped even there."""
    fence = "``" if "`" in text else "`"
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}".replace("|", "\\|")


def escaped(text: str) -> str:
    """Return a text that GitHub shows letter for letter, but for what is in code type."""
    parts = re.split(r"(`[^`]+`)", text)
    parts[::2] = [_MARKUP.sub(r"\\\g<0>", part) for part in parts[::2]]
    return "".join(parts)


# Within a word, an underscore is one.
_MARKUP = re.compile(r"[\\*<>\[\]|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def anchor(title: str) -> str:
    """Return how GitHub calls a heading in links."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


if __name__ == "__main__":
    main()
