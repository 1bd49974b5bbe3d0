"""How much the server takes, each with its reason."""

from __future__ import annotations

# Old clients send a whole backlog in one request.
MAX_BODY_BYTES = 32 * 1024 * 1024

# A backlog of half an hour at 25 a second; each is answered, so their number bounds the answer.
MAX_EVENTS = 50_000

# Values people look at are not nested deeper; far deeper ones would exhaust Python's stack.
MAX_DEPTH = 100

# The SDK keeps to the same limits; other senders are held to them here.
MAX_TEXT_LENGTH = 1_000_000

# Ids stand in every index; those of real apps are below 100 characters.
MAX_ID_LENGTH = 512

# Facts about an interaction, not documents: beyond it only what fits is kept.
MAX_METADATA_LENGTH = 256_000

# The raw objects are shown, never searched; larger ones are left out with a note in metadata.
MAX_RAW_LENGTH = 1_000_000

# The notes of one feedback.
MAX_NOTES_LENGTH = 10_000
