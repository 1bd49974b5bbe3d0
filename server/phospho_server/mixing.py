"""Which versions and models stand behind the figures of an event, so that none mixes them silently.

A figure is mixed while a newer version is still being applied to past interactions, after one was
saved for new interactions only, and where the detector or its model of meaning has changed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from phospho_server.store import Connection
from phospho_server.store.rows import Series
from phospho_server.store.versions import (
    VerdictCount,
    list_present_versions,
    list_starts,
    list_verdict_counts,
)


@dataclass(frozen=True)
class Mix:
    """Where the verdicts on an event come from.

    Args:
        version: The definition's present version.
        counts: Who decides about how many interactions, the newest version first.
        starts_ms: For each version that decides about something, except the oldest: when the
            first interaction came about that it decides, the newest version first.
    """

    version: int
    counts: Sequence[VerdictCount]
    starts_ms: Mapping[int, int] = field(default_factory=dict)

    @property
    def versions(self) -> list[int]:
        """The versions that decide about something, the newest first."""
        return list(dict.fromkeys(count.version for count in self.counts))

    @property
    def sentences(self) -> list[str]:
        """What has to be said beside a figure; nothing where all comes from one source."""
        return [*filter(None, [self._say_versions()]), *self._say_models()]

    def _say_versions(self) -> str:
        newest, *older = self.versions
        total = sum(count.verdicts for count in self.counts)
        if newest != self.version:
            return (
                f"Version {self.version} has looked at no interaction yet; all {total:,} verdicts "
                f"are of {_named_versions(self.versions)}."
            )
        if not older:
            return ""
        done = sum(count.verdicts for count in self.counts if count.version == newest)
        return (
            f"Version {newest} so far for the newest {done:,} of {total:,} interactions; older "
            f"ones are of {_named_versions(older)}."
        )

    def _say_models(self) -> list[str]:
        mine = [count for count in self.counts if count.version == self.versions[0]]
        said = []
        detectors = _sums(mine, "detector")
        if len(detectors) > 1:
            names = _listed([f"{name} ({n:,})" for name, n in detectors.items()])
            said.append(f"Its verdicts come from the detectors {names}.")
        embedders = _sums([count for count in mine if count.embedder], "embedder")
        if len(embedders) > 1:
            names = _listed([f"{name} ({n:,})" for name, n in embedders.items()])
            said.append(f"Its scores come from different models: {names}.")
        return said


def list_mixes(db: Connection, project_id: str) -> dict[str, Mix]:
    """Return for each definition with verdicts where these come from."""
    starts = list_starts(db, project_id)
    versions = list_present_versions(db, project_id)
    mixes = {}
    for definition_id, counts in list_verdict_counts(db, project_id).items():
        if definition_id not in versions:
            continue  # deleted a moment ago
        mix = Mix(versions[definition_id], counts)
        known = {
            version: at_ms
            for version in mix.versions[:-1]
            if (at_ms := starts.get((definition_id, version))) is not None
        }
        mixes[definition_id] = replace(mix, starts_ms=known)
    return mixes


def find_marks(mixes: Mapping[str, Mix], series: Series) -> dict[int, str]:
    """Return where in a series verdicts of other versions begin, in words, by the step.

    Args:
        mixes: By the name to call each event, or an empty one.
        series: What the chart shows.
    """
    marks: dict[int, list[str]] = {}
    for name, mix in mixes.items():
        for version, at_ms in mix.starts_ms.items():
            step = bisect_right(series.starts_ms, at_ms) - 1
            if step >= 0:
                words = f"version {version} from here, older ones before"
                marks.setdefault(step, []).append(f"{name}: {words}" if name else words)
    return {step: "; ".join(words) for step, words in marks.items()}


def _sums(counts: Sequence[VerdictCount], attribute: str) -> dict[str, int]:
    sums: dict[str, int] = {}
    for count in counts:
        name = getattr(count, attribute)
        sums[name] = sums.get(name, 0) + count.verdicts
    return sums


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _named_versions(versions: Sequence[int]) -> str:
    noun = "version" if len(versions) == 1 else "versions"
    return f"{noun} {_listed([str(version) for version in versions])}"
