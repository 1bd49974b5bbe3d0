"""What tools take, described for the model that calls them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from phospho.detectors.rules import (
    MAX_DESCRIPTION_CHARS,
    MAX_KEYWORD_CHARS,
    MAX_KEYWORDS,
    MAX_NAME_CHARS,
    MAX_PATTERN_CHARS,
)
from phospho.detectors.sentiment import Feeling
from phospho.models import Answer, Flag, Scope

_MOST_IN_A_LIST = 50

Words = Annotated[
    str | None, Field(max_length=300, description="Words that all occur in one interaction.")
]
Events = Annotated[
    Sequence[str] | None,
    Field(max_length=10, description="Names of events that all occurred, as they are defined."),
]
Without = Annotated[
    Sequence[str] | None, Field(max_length=10, description="Names of events that did not occur.")
]
Feedback = Annotated[Flag | None, Field(description="What feedback says.")]
User = Annotated[str | None, Field(description="The id of a user of the app.")]
Version = Annotated[str | None, Field(description="The version of the app.")]
Language = Annotated[
    str | None,
    Field(pattern="^[a-z]{2,3}$", description="The user's language, as an ISO 639-1 code."),
]
Sentiment = Annotated[Feeling | None, Field(description="How a message of the user sounds.")]
Metadata = Annotated[
    Mapping[str, str] | None,
    Field(max_length=10, description='Keys of the metadata with their values: {"plan": "pro"}.'),
]
Since = Annotated[
    str | None, Field(description="From this day or time on, in ISO 8601 and UTC: 2026-11-27.")
]
Until = Annotated[str | None, Field(description="To the end of this day, or to this time.")]
Period = Annotated[
    Literal["24h", "7d", "30d", "all"] | None, Field(description="Instead: a period up to now.")
]
Limit = Annotated[int, Field(ge=1, le=_MOST_IN_A_LIST, description="The most in one answer.")]
Cursor = Annotated[
    str | None, Field(description="`next_cursor` of the answer before, with the same filters.")
]

SessionId = Annotated[str, Field(min_length=1, max_length=512, description="The session.")]
Start = Annotated[
    int, Field(ge=0, le=100_000, description="`next_start` of the answer before; 0 to begin.")
]
MostChars = Annotated[
    int,
    Field(ge=500, le=50_000, description="The most characters of interactions in one answer."),
]

Name = Annotated[
    str, Field(min_length=1, max_length=MAX_NAME_CHARS, description="Short: refund_request.")
]
Description = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_DESCRIPTION_CHARS,
        description='What to look for, in plain English: "The user asks for a refund".',
    ),
]
DefinitionId = Annotated[
    str, Field(min_length=1, max_length=100, description="The id of an event definition.")
]
SomeDefinitionId = Annotated[
    DefinitionId | None, Field(description="The definition that the draft would change.")
]
SomeScope = Annotated[
    Scope | None, Field(description="Where to look; auto reads it out of the description.")
]
Keywords = Annotated[
    Sequence[Annotated[str, Field(max_length=MAX_KEYWORD_CHARS)]] | None,
    Field(max_length=MAX_KEYWORDS, description="Words or phrases any one of which means yes."),
]
Pattern = Annotated[
    str | None,
    Field(max_length=MAX_PATTERN_CHARS, description="A regular expression (RE2) that means yes."),
]
SomeAnswer = Annotated[
    Answer | None, Field(description="What is asked: yes or no, a score, or a category.")
]
Categories = Annotated[
    Sequence[str] | None, Field(max_length=50, description="Of the answer `category`: its choices.")
]
SomeName = Annotated[Name | None, Field(description="A new name.")]
SomeDescription = Annotated[Description | None, Field(description="A new description.")]
Enabled = Annotated[bool | None, Field(description="Whether new interactions are looked at.")]
SeenVersion = Annotated[
    int, Field(ge=1, description="The version that you read: a newer one is not overwritten.")
]
Newest = Annotated[
    int, Field(ge=1, le=10_000, description="How many of the newest interactions to look at.")
]
Step = Annotated[Literal["hour", "day", "week"] | None, Field(description="How long a part is.")]
OneEvent = Annotated[
    str | None, Field(description="The name of one event, whose numbers are read then.")
]


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the fields that were said."""
    return {name: value for name, value in fields.items() if value is not None}
