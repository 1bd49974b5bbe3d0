"""How much the server takes, each with its reason; texts and values as `phospho.snapshot` says."""

from __future__ import annotations

# Old clients send a whole backlog in one request.
MAX_BODY_BYTES = 32 * 1024 * 1024

# A backlog of half an hour at 25 a second; each is answered, so their number bounds the answer.
MAX_EVENTS = 50_000

# Read, a value takes up to seventy bytes, where the body had two: 32 MiB of `[],` were a gigabyte.
# A whole backlog of 50,000 interactions has half as many.
MAX_VALUES = 2_000_000

# Values people look at are not nested deeper; far deeper ones would exhaust Python's stack.
MAX_DEPTH = 100

# The notes of one feedback.
MAX_NOTES_LENGTH = 10_000
