"""Receipts of erasures as programs and people read them, and as the audit log has them."""

from __future__ import annotations

from phospho_server.files.exporting import iso_ms
from phospho_server.store.erasures import Erasure

_STATES = {
    "removing": "rows are being removed",
    "pending": "the rows are gone; the file is being cleaned, which waits for readers to end",
    "verified": "verified: no row and no byte is left",
}


def to_audit(erasure: Erasure) -> tuple[str, str]:
    """Return an act of the audit log and what it is about: by name nobody."""
    return f"{erasure.kind} erased", f"{erasure.id} (SHA-256 {erasure.target_hash})"


def to_json(erasure: Erasure) -> dict[str, object]:
    """Return a receipt as one JSON object; times are ISO 8601."""
    checked = erasure.checked
    return {
        "id": erasure.id,
        "project_id": erasure.project_id,
        "kind": erasure.kind,
        "target_hash": erasure.target_hash,
        "asked_by": erasure.asked_by,
        "asked_at": iso_ms(erasure.asked_at_ms),
        "removed": dict(erasure.removed),
        "removed_at": _iso(erasure.removed_at_ms),
        "state": erasure.state,
        "pages_checked": checked.pages if checked else 0,
        "pages_cleaned": checked.cleaned if checked else 0,
        "copies_removed": list(checked.copies) if checked else [],
        "verified_at": _iso(erasure.verified_at_ms),
    }


def to_lines(erasure: Erasure) -> list[str]:
    """Return a receipt as lines of text."""
    checked = erasure.checked
    counts = ", ".join(f"{n:,} {table}" for table, n in sorted(erasure.removed.items()))
    lines = [
        f"Receipt   {erasure.id}",
        f"Project   {erasure.project_id}",
        f"Erased    a {erasure.kind}: SHA-256 of {erasure.id}:{erasure.kind}:ID",
        f"          is {erasure.target_hash}",
        f"Asked     {iso_ms(erasure.asked_at_ms)} by {erasure.asked_by}",
        f"Removed   {counts or 'nothing yet'}",
        f"State     {_STATES[erasure.state]}",
    ]
    if erasure.verified_at_ms is not None:
        lines.append(f"Verified  {iso_ms(erasure.verified_at_ms)}")
    if checked:
        lines.append(f"Checked   {checked.pages:,} pages read, {checked.cleaned:,} cleaned")
        lines += [f"Removed   the copy {name}" for name in checked.copies]
    return lines


def _iso(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso_ms(at_ms)
