"""Tells the language a message is written in, offline, or that it cannot be told.

Source: py3langid 0.4.0, whose wheel carries the model: byte n-grams and naive Bayes. A message of
one or two words is often a message of several languages ("non merci"), so most of those give None:
a language that is named is right in 99 of 100 messages (`benchmarks/language.py`).
"""

from __future__ import annotations

import importlib.util
import re
import threading
from functools import lru_cache
from typing import Any

from phospho.detectors.language_names import CODES
from phospho.errors import MissingDependencyError

# A language is plain after some sentences; what comes after costs time.
MAX_CHARS = 600

# How much likelier than the next language one has to be. Chosen on `benchmarks/language_data`.
MARGIN = 0.25

# Messages repeat ("yes please").
_MAX_CACHED = 5_000

# Fewer letters are an abbreviation; in scripts without an alphabet two are a word.
_MIN_LETTERS = 4
_MIN_SYMBOLS = 2
_SYMBOLS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")

# The halves of a shorter message are too short to be told apart.
_MIN_WORDS_OF_MIXED = 12

# What stands in messages of every language: code, addresses, tags.
_NO_LANGUAGE = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|(?:https?://|www\.)\S+|[\w.+-]{1,64}@[\w.-]{1,255}"
    r"|</?[a-zA-Z][^<>]{0,200}>",
    re.DOTALL,
)

# The model's labels for what we call one language, and its label for what is none.
_PARTS = {"ary": "ar", "arz": "ar", "yue": "zh", "wuu": "zh", "nn": "no"}
_NONE = "zxx"


def detect_language(text: str) -> str | None:
    """Return the ISO 639-1 code of the language a text is in, or None where it cannot be told.

    None is also the answer for numbers, code, emoji, and text that is half in another language.
    The same text always gives the same answer. Safe to call from several threads.

    Raises:
        MissingDependencyError: When py3langid is not installed.
    """
    return likeliest_language(text)[0]


def likeliest_language(text: str) -> tuple[str | None, float]:
    """Return what `detect_language` does and its probability, 0 where it is None."""
    return _likeliest(text[:MAX_CHARS])


def is_installed() -> bool:
    """Tell whether the package for it is there, without loading it."""
    return importlib.util.find_spec("py3langid") is not None


@lru_cache(maxsize=_MAX_CACHED)
def _likeliest(text: str) -> tuple[str | None, float]:
    model = _model.loaded()
    text = " ".join(_NO_LANGUAGE.sub(" ", text).split())
    if not _has_words(text):
        return None, 0.0
    code, sure = _rank(model, text)
    return (None, 0.0) if code is None or _is_mixed(model, text, code) else (code, sure)


def _has_words(text: str) -> bool:
    symbols = len(_SYMBOLS.findall(text))
    return symbols >= _MIN_SYMBOLS or sum(map(str.isalpha, text)) - symbols >= _MIN_LETTERS


def _is_mixed(model: Any, text: str, code: str) -> bool:
    """Tell whether the first or the second half is in another language than the whole."""
    words = text.split()
    if len(words) < _MIN_WORDS_OF_MIXED:
        return False
    middle = len(words) // 2
    halves = (" ".join(words[:middle]), " ".join(words[middle:]))
    return any(_rank(model, half)[0] not in {code, None} for half in halves)


def _rank(model: Any, text: str) -> tuple[str | None, float]:
    probabilities: dict[str, float] = {}
    for label, probability in model.rank(text):
        code = _PARTS.get(label, label)
        probabilities[code] = probabilities.get(code, 0.0) + probability
    (best, sure), (_, next_best) = sorted(probabilities.items(), key=lambda p: -p[1])[:2]
    return (None if best == _NONE or sure - next_best < MARGIN else best), round(min(sure, 1.0), 4)


class _Model:
    """Loads the 55 MB at the first call, not before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._identifier: Any = None

    def loaded(self) -> Any:
        with self._lock:
            if self._identifier is None:
                if not is_installed():
                    raise MissingDependencyError("py3langid", extra="language")
                from py3langid.langid import MODEL_FILE, LanguageIdentifier

                # An instance of our own: an app in this process may restrict the shared one.
                whole = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
                whole.set_languages([*CODES, *_PARTS, _NONE])
                # A new one does not hold what was left out, which is 24 MB.
                self._identifier = LanguageIdentifier(
                    whole.nb_ptc,
                    whole.nb_pc,
                    whole.nb_classes,
                    whole.tk_nextmove,
                    whole.tk_output,
                    norm_probs=True,
                    tk_row=whole.tk_row,
                )
            return self._identifier


_model = _Model()
