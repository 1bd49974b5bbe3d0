"""Masks personal data and secrets before anything is queued or spooled: `phospho.Redaction`.

It is a plugin like any other, asked after all others, and walks through all of a record: texts,
raw values, metadata and the names in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from phospho.errors import ConfigurationError
from phospho.hookspecs import hookimpl
from phospho.redaction.record import RecordRedaction
from phospho.redaction.rules import RULES

if TYPE_CHECKING:
    from phospho.redaction.presidio import Analyzer, AnalyzerEngine

__all__ = ["Redaction"]


class Redaction:
    """Masks e-mail addresses, telephone and card numbers, IBANs, IP addresses and secrets.

    phospho.init(plugins=[phospho.Redaction()])

    A mask names the kind, `[EMAIL_ADDRESS]`; how many were masked is counted by kind in
    `metadata["redacted"]`. In `session_id`, `task_id`, `user_id` and `version_id` it is a
    pseudonym, `[EMAIL_ADDRESS 3f9a1c0b7d24]`, the same each time.

    Args:
        kinds: What to mask, by the names of Presidio: `EMAIL_ADDRESS`, `PHONE_NUMBER`,
            `CREDIT_CARD`, `IBAN_CODE`, `IP_ADDRESS`, `SECRET`, and those an analyzer knows; by
            default all of them.
        key: Makes pseudonyms that nobody else can compute; by default the project id, which
            others may know.
        analyzer: `"presidio"`, or a Presidio `AnalyzerEngine` of your own, to find more kinds.
        language: The language to ask the analyzer for.

    Raises:
        ConfigurationError: When a kind is unknown, or the key is empty.
        MissingDependencyError: When Presidio is asked for and not installed.
    """

    def __init__(
        self,
        kinds: Iterable[str] | None = None,
        *,
        key: str | bytes | None = None,
        analyzer: AnalyzerEngine | str | None = None,
        language: str = "en",
    ) -> None:
        wanted = None if kinds is None else _read_kinds(kinds)
        self._analyzer: Analyzer | None = None
        if analyzer is not None:
            from phospho.redaction.presidio import Analyzer

            self._analyzer = Analyzer(analyzer, language, wanted)
        known = {*RULES, *(self._analyzer.known if self._analyzer else ())}
        if wanted is not None and not wanted <= known:
            raise ConfigurationError(
                f"Redaction(kinds=...) does not know {', '.join(sorted(wanted - known))}. "
                f"Choose from: {', '.join(sorted(known))}."
            )
        if key is not None and not key:
            raise ConfigurationError("Redaction(key=...) is empty. Give a secret, or leave it out.")
        self._rules = {
            kind: rule for kind, rule in RULES.items() if wanted is None or kind in wanted
        }
        self._key = key.encode() if isinstance(key, str) else key

    @hookimpl(trylast=True)
    def phospho_before_send(self, interaction: dict[str, Any]) -> dict[str, Any]:
        """Return the interaction with everything masked, and the counts in its metadata."""
        return self._run(interaction).redact_interaction(interaction)

    @hookimpl(trylast=True)
    def phospho_before_send_feedback(self, feedback: dict[str, Any]) -> dict[str, Any]:
        """Return the feedback with everything masked; its task keeps the interaction's id."""
        return self._run(feedback).redact(feedback)

    def _run(self, record: dict[str, Any]) -> RecordRedaction:
        key = self._key or str(record.get("project_id")).encode()
        return RecordRedaction(self._rules, self._analyzer, key)


def _read_kinds(kinds: Iterable[str]) -> frozenset[str]:
    # A text is an iterable of letters, too.
    if isinstance(kinds, str):
        raise ConfigurationError(f"Redaction(kinds=...) is a list of names, as [{kinds!r}].")
    wanted = frozenset(kinds)
    if not wanted:
        raise ConfigurationError("Redaction(kinds=[]) masks nothing. Name a kind, or leave it out.")
    return wanted
