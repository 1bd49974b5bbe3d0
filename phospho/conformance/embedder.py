"""`check_embedder`: does an embedder keep the promises of `phospho.detectors.Embedder`?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phospho.conformance.samples import HOSTILE_TEXTS, PLAIN_TEXTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phospho.detectors import Embedder

# Vectors of half precision, and sums in another order.
TOLERANCE = 2e-3


def check_embedder(
    embedder: Embedder, *, deterministic: bool = True, batch_independent: bool = True
) -> None:
    """Fail the test unless the embedder keeps its promises.

    Args:
        embedder: An embedder, ready to encode; needs numpy.
        deterministic: Whether the same text has the same vector each time.
        batch_independent: Whether it is the same whatever else is encoded with it.

    Raises:
        AssertionError: With the promise that is broken, and what to do.
    """
    texts = list(PLAIN_TEXTS)
    _check_id(embedder)
    # Where only the model knows how many numbers there are, it is asked first.
    if getattr(embedder, "dim", None) == 0:
        _ask(embedder, texts, "plain texts")
    _check_dim(embedder)
    vectors = _encode(embedder, texts, "plain texts")
    _check_unit(embedder, vectors, "plain texts")
    _encode(embedder, [], "no text")
    for what, text in HOSTILE_TEXTS.items():
        _encode(embedder, [text], what)
    _encode(embedder, [*HOSTILE_TEXTS.values(), *texts], "hostile texts among plain ones")
    if deterministic:
        _compare(embedder, vectors, _encode(embedder, texts, "plain texts again"), "again")
    if deterministic and batch_independent:
        alone = [_encode(embedder, [text], "one text")[0] for text in texts]
        _compare(embedder, vectors, alone, "when each is encoded alone")
        other = _encode(embedder, [*texts[::-1], "more"], "texts in another order")
        _compare(embedder, vectors, other[len(texts) - 1 :: -1], "in another batch")


def _check_id(embedder: Embedder) -> None:
    named: object = getattr(embedder, "id", None)
    if not isinstance(named, str) or not named.strip():
        raise AssertionError(
            f"{embedder!r} has the id {named!r}. Give it an `id` that names model and version: it "
            "is stored with every score."
        )


def _check_dim(embedder: Embedder) -> None:
    dim: object = getattr(embedder, "dim", None)
    if isinstance(dim, bool) or not isinstance(dim, int) or dim < 1:
        raise AssertionError(
            f"The embedder {embedder.id!r} has the dim {dim!r}. Say how many numbers a vector has."
        )


def _encode(embedder: Embedder, texts: Sequence[str], what: str) -> Any:
    """Return vectors of the right shape and type, all finite."""
    import numpy as np

    vectors = _ask(embedder, texts, what)
    shape = (len(texts), embedder.dim)
    if not isinstance(vectors, np.ndarray) or vectors.shape != shape:
        found = getattr(vectors, "shape", type(vectors).__name__)
        raise _broken(embedder, what, f"returned {found}", f"Return an array of shape {shape}")
    if vectors.dtype != np.float32:
        raise _broken(embedder, what, f"returned numbers of {vectors.dtype}", "Return np.float32")
    if not np.isfinite(vectors).all():
        raise _broken(
            embedder, what, "returned NaN or infinity", "Return a vector of zeros where none fits"
        )
    return vectors


def _ask(embedder: Embedder, texts: Sequence[str], what: str) -> Any:
    """Return whatever an embedder answers, which must neither fail nor change the list."""
    given = list(texts)
    try:
        vectors: Any = embedder.encode(given)
    except Exception as exc:
        raise _broken(
            embedder,
            what,
            f"raised {type(exc).__name__}: {exc}",
            "Cut, clean or ignore what the model cannot read",
        ) from exc
    if given != list(texts):
        raise _broken(embedder, what, "changed the list", "Work on a copy")
    return vectors


def _check_unit(embedder: Embedder, vectors: Any, what: str) -> None:
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1)
    if np.abs(lengths - 1.0).max() > TOLERANCE:
        raise _broken(
            embedder,
            what,
            f"returned vectors of the lengths {lengths.round(3).tolist()}",
            "Divide each by its length: their dot product must say how close meanings are",
        )


def _compare(embedder: Embedder, first: Any, second: Any, when: str) -> None:
    import numpy as np

    if np.abs(np.asarray(first) - np.asarray(second)).max() > TOLERANCE:
        raise _broken(
            embedder,
            "the same texts",
            f"returned other vectors {when}",
            "Encode each text by itself, or switch this off with check_embedder(..., "
            "deterministic=False), or batch_independent=False",
        )


def _broken(embedder: Embedder, what: str, how: str, advice: str) -> AssertionError:
    return AssertionError(f"The embedder {embedder.id!r}, given {what}, {how}. {advice}.")
