"""Calibrates an LLM's confidence in the answers about an event by what people said of earlier ones.

The verdict stays the LLM's: its score alone follows the reviews.
"""

from __future__ import annotations

from dataclasses import replace

from phospho.detectors.llm.confidence import Calibration, fit
from phospho_server.judging import Verdicts
from phospho_server.store import Connection, llm_claims
from phospho_server.store.rows import StoredDetection


def calibrate(db: Connection, project_id: str, verdicts: Verdicts) -> Verdicts:
    """Return an LLM's verdicts on one event with calibrated scores.

    Args:
        db: A connection.
        project_id: The project.
        verdicts: As the LLM gave them.
    """
    event = verdicts.definition
    if event.answer != "yes_no":
        return verdicts
    line = fit(llm_claims.list_claims(db, project_id, event.id, event.version))
    return replace(verdicts, found=[_calibrated(each, line) for each in verdicts.found])


def _calibrated(verdict: StoredDetection, line: Calibration) -> StoredDetection:
    if verdict.claimed is None:
        return verdict
    score = line.score(verdict.claimed, occurred=verdict.detected)
    return replace(verdict, score=round(score, 4))
