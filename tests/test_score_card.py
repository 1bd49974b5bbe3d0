"""`benchmarks/score_card.py`: the page it writes, and the program that confirms its figures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.server.evaluating.builders import write_suite

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "score_card.py"

# As those that come with suites: F1 from counts, AP and best F1 by trying each threshold.
SCORER = """
import json, pathlib

def score(gold, predictions):
    said = {(p["suite"], p["id"], p["event"]): p for p in predictions}
    report = {"events": {}, "suites": {}}
    for suite, (events, rows) in gold.items():
        for event in (e["name"] for e in events):
            pairs = [
                (p["score"], event in r["events"], p["detected"])
                for r in rows if event not in r["ignore"]
                for p in (said[suite, r["id"], event],)
            ]
            report["events"][f"{suite}/{event}"] = figures(pairs)
        mine = [f for name, f in report["events"].items() if name.startswith(suite + "/")]
        names = ("precision", "recall", "f1", "ap", "auroc", "best_f1")
        report["suites"][suite] = {
            "macro_" + k: sum(f[k] for f in mine) / len(mine) for k in names
        }
        tp, wrong = sum(f["tp"] for f in mine), sum(f["fp"] + f["fn"] for f in mine)
        report["suites"][suite]["micro_f1"] = 2 * tp / (2 * tp + wrong) + SHIFT
    every = list(report["suites"].values())
    report["mean_of_suites"] = {k: sum(s[k] for s in every) / len(every) for k in every[0]}
    return report

def figures(pairs):
    yes = [s for s, y, _ in pairs if y]
    no = [s for s, y, _ in pairs if not y]
    tp, fp = sum(y and d for _, y, d in pairs), sum(d and not y for _, y, d in pairs)
    fn = len(yes) - tp
    ap = best = seen = 0
    for cut in sorted({s for s, _, _ in pairs}, reverse=True):
        hits, misses = sum(s >= cut for s in yes), sum(s >= cut for s in no)
        ap += (hits - seen) / len(yes) * hits / (hits + misses)
        seen = hits
        best = max(best, 2 * hits / (hits + misses + len(yes)))
    auroc = sum((y > n) + (y == n) / 2 for y in yes for n in no) / len(yes) / len(no)
    p, r = (tp / (tp + fp) if tp + fp else 0), tp / len(yes)
    return {"support": len(yes), "tp": tp, "fp": fp, "fn": fn, "precision": p, "recall": r,
            "f1": 2 * p * r / (p + r) if p + r else 0, "ap": ap, "auroc": auroc, "best_f1": best}
"""

SAID = {
    "thanks": ["Thanks a lot!", "thank you so much", "many thanks for that"],
    "refund": ["I want my money back", "please refund my order", "can I get a refund"],
    "weather": ["will it rain today", "how is the weather", "is it sunny tomorrow"],
}


def suite(folder: Path, *names: str) -> None:
    """Write a suite in which each text is said twice, and stands for one event."""
    events = [
        {
            "name": name,
            "description": f"The user says something about {name}",
            "examples": [{"input": text, "output": ""} for text in SAID[name][:1]],
        }
        for name in names
    ]
    rows = [
        {"id": f"{folder.name} {text} {i}", "input": text, "output": "", "events": [name]}
        for name in names
        for text in SAID[name]
        for i in range(2)
    ]
    write_suite(folder, events, rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, events in {"one": ("thanks", "refund"), "two": ("weather", "thanks")}.items():
        suite(tmp_path / "data" / "dev" / name, *events)
    wording = [{"name": "please", "description": "The user said 'please'"}]
    rows: Sequence[dict[str, Any]] = [
        {"id": "w1", "input": "yes please", "events": ["please"]},
        {"id": "w2", "input": "yes", "events": []},
    ]
    write_suite(tmp_path / "data" / "dev" / "wording", wording, rows)
    return tmp_path / "data"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_the_page_has_figures_of_each_suite_and_keeps_what_people_wrote(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "score.py").write_text(SCORER.replace("SHIFT", "0"))
    page = tmp_path / "card.md"
    page.write_text(
        "# Old\n<!-- ideas: written by hand, kept by the command -->\n\nWe tried it.\n\n"
        "<!-- end of ideas -->\nold"
    )
    done = run(folder, "--write", page)
    assert done.returncode == 0, done.stderr
    assert "All figures are those of score.py." in done.stderr
    text = page.read_text(encoding="utf-8")
    assert "# Old" not in text
    assert text.count("We tried it.") == 1
    for heading in ("F1", "Where it fails", "Scores as probabilities", "How to reproduce it"):
        assert f"## {heading}\n" in text
    f1 = text.partition("## F1")[2].partition("##")[0]
    assert "8 examples<br>20 clicks" in f1
    assert "| wording | 1.00 (1.00 to 1.00) |" in f1
    assert "| mean without wording |" in f1
    assert "| `thanks` | one | 6 |" in text
    assert "use-multilingual" in text
    said = [t for texts in SAID.values() for t in texts]
    assert [t for t in said if t in text] == []


@pytest.mark.slow
def test_a_figure_that_another_program_does_not_confirm_stops_it(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "score.py").write_text(SCORER.replace("SHIFT", "0.01"))
    done = run(folder, "--write", tmp_path / "card.md")
    assert done.returncode == 1
    assert "micro_f1 is" in done.stderr
    assert not (tmp_path / "card.md").exists()


def test_the_page_that_is_published_has_room_for_ideas() -> None:
    text = (SCRIPT.parent.parent / "docs" / "score-card.md").read_text(encoding="utf-8")
    begin, _, after = text.partition("<!-- ideas: written by hand, kept by the command -->")
    assert "## Before and after each idea" in begin
    assert after.count("<!-- end of ideas -->") == 1
