"""Fit the calibrators of the `semantic` detector on labelled suites, and ship them.

    python benchmarks/fit_semantic.py FOLDER

The folder holds one folder for each suite with `events.json` and `interactions.jsonl`. Replaces
`phospho/detectors/semantic_weights.json`, and the vectors of the event library; no text of the
suites is stored, only the weights. How good they are is measured without this advantage by
`phospho evaluate FOLDER --leave-one-out`, which judges each suite by weights fitted on the others.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from phospho.detectors.description import BOTH_SIDES
from phospho.detectors.fitting import fit
from phospho.detectors.use_encoder import UseEncoder
from phospho.detectors.yardstick import VECTORS_FILE, embed_library
from phospho.errors import PhosphoError
from phospho_server.evaluating.suites import read_suites

WEIGHTS = Path(__file__).parents[1] / "phospho/detectors/semantic_weights.json"


def ship_library(encoder: UseEncoder) -> None:
    """Embed the event library, so that no installation has to."""
    packed = {
        f"{side}_{name}": vectors
        for side in BOTH_SIDES
        for name, vectors in embed_library(encoder, side).items()
    }
    arrays: dict[str, Any] = {"embedder": np.array(encoder.id), **packed}
    np.savez_compressed(VECTORS_FILE, **arrays)


def main() -> None:
    """Fit on all suites about meaning, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    try:
        suites = [suite for suite in read_suites(arguments.folder) if not suite.is_about_wording]
    except PhosphoError as exc:
        sys.exit(str(exc))
    encoder = UseEncoder()
    ship_library(encoder)
    weights = {
        kind: {
            "coefficients": [round(c, 4) for c in calibrator.coefficients],
            "intercept": round(calibrator.intercept, 4),
        }
        for kind, calibrator in fit(encoder, suites).items()
    }
    written = {"embedder": encoder.id, "calibrators": weights}
    WEIGHTS.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    print(f"Fitted on {', '.join(suite.name for suite in suites)}; wrote {WEIGHTS}")


if __name__ == "__main__":
    main()
