"""Receipts of erasures as programs and people read them, and as the audit log has them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from phospho.api import answers
from phospho_server.files.exporting import iso_ms
from phospho_server.store.erasures import Checked, Erasure

_STATES = {
    "removing": "rows are being removed",
    "pending": "the rows are gone; the file is being cleaned, which waits for readers to end",
    "verified": "verified: no row and no byte is left",
}
_ON_POSTGRESQL = "verified: no row is left; VACUUM and archives of its log decide about the rest"


def to_audit(erasure: Erasure) -> tuple[str, str]:
    """Return an act of the audit log and what it is about: by name nobody."""
    return f"{erasure.kind} erased", f"{erasure.id} (SHA-256 {erasure.target_hash})"


def to_answer(erasure: Erasure) -> answers.Erasure:
    """Return a receipt as the API answers with it."""
    checked = erasure.checked or Checked()
    return answers.Erasure(
        id=erasure.id,
        kind=erasure.kind,
        target_hash=erasure.target_hash,
        asked_by=erasure.asked_by,
        asked_at=_time(erasure.asked_at_ms),
        removed=erasure.removed,
        removed_at=_time_or_none(erasure.removed_at_ms),
        state=erasure.state,
        pages_checked=checked.pages,
        pages_cleaned=checked.cleaned,
        copies_removed=checked.copies,
        verified_at=_time_or_none(erasure.verified_at_ms),
    )


def to_lines(erasure: Erasure) -> list[str]:
    """Return a receipt as lines of text."""
    checked = erasure.checked
    has_no_file = erasure.state == "verified" and not (checked and checked.pages)
    state = _ON_POSTGRESQL if has_no_file else _STATES[erasure.state]
    counts = ", ".join(f"{table} {n:,}" for table, n in sorted(erasure.removed.items()))
    lines = [
        f"Receipt   {erasure.id}",
        f"Project   {erasure.project_id}",
        f"Erased    a {erasure.kind}: SHA-256 of {erasure.id}:{erasure.kind}:ID",
        f"          is {erasure.target_hash}",
        f"Asked     {iso_ms(erasure.asked_at_ms)} by {erasure.asked_by}",
        f"Removed   {counts or 'nothing yet'}",
        f"State     {state}",
    ]
    if erasure.verified_at_ms is not None:
        lines.append(f"Verified  {iso_ms(erasure.verified_at_ms)}")
    if checked and checked.pages:
        lines.append(f"Checked   {checked.pages:,} pages read, {checked.cleaned:,} cleaned")
        lines += [f"Removed   the copy {name}" for name in checked.copies]
    return lines


def _time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, timezone.utc) + timedelta(
        milliseconds=at_ms % 1000
    )


def _time_or_none(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else _time(at_ms)
