"""Checks that a detector or an embedder keeps its promises, for the tests of whoever writes one.

`phospho.testing` offers them. Importing this loads neither pydantic nor numpy.
"""

from phospho.conformance.detector import check_detector
from phospho.conformance.embedder import check_embedder

__all__ = ["check_detector", "check_embedder"]
