"""Whether the LLM that a project names may be in a private network."""

from __future__ import annotations

from collections.abc import Mapping

ALLOW_PRIVATE = "PHOSPHO_ALLOW_PRIVATE_LLMS"

IS_PRIVATE = (
    "The base URL leads into a private network, where nothing is sent. Give an LLM of the "
    "internet, let an owner of the server set this one, or have "
    f"{ALLOW_PRIVATE}=1 set where the server runs."
)


def is_private_allowed(environ: Mapping[str, str]) -> bool:
    """Tell whether the environment lets every project name an LLM in a private network."""
    return environ.get(ALLOW_PRIVATE, "").strip() == "1"
