"""Reads what stands in a message: quoted words, a number, two question marks, no link, lists."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from phospho.detectors.conditions import AllOf, AnyOf, Condition, Not, Occurs, Place, Together
from phospho.detectors.named_shapes import NAMED_SHAPES, QUESTION
from phospho.detectors.naming import Named
from phospho.detectors.phrases import Phrase
from phospho.detectors.reading.amounts import NONE, Range, read_open_end, read_range
from phospho.detectors.reading.cursor import Cursor, Phrases
from phospho.detectors.reading.examples import read_by_example, read_examples
from phospho.detectors.reading.proper_names import read_proper_name
from phospho.detectors.reading.quoted import read_numeral, read_quoted, read_sign, read_unquoted
from phospho.detectors.reading.vocabulary import base_form

if TYPE_CHECKING:
    from phospho.detectors.shapes import Shape

_DETERMINER = Phrases(
    "a|the|some|any [other|of]|this|these|those|that|their|your|our|my|one|[any|some] (kind"
    "|sort|form) of"
)
_DEFINITE = Phrases("the|this|that|these|those")
_ONE_OF = Phrases(
    "either [one] [of]|(one|any|some|any one|at least one|one or more|one or both) of"
)
_EVERY = Phrases("both [of]|all [three|four] [of]|each [of]|every one of")
_NONE = Phrases("none of|neither [of]|no|not [any|one] [of]|not (a|the)|without|zero|never")
_JOINTS: tuple[tuple[Phrases, str], ...] = (
    (
        Phrases(
            "[,] (and or|and / or)|nor [with]|/"
            "|[,] or [else|even|also|maybe|simply|perhaps|the|with]"
        ),
        "any",
    ),
    (
        Phrases(
            "[,|&] and [also|even]|&|[,] as well as|plus|+|along with|together with|but also"
            "|in addition to"
        ),
        "all",
    ),
    (Phrases(",|;"), "comma"),
)
_BUT_NOT = Phrases(
    "[,] (but|and|yet) (not|without|no|never|neither)|[,] (not|without)|except|[,] but not also"
)

_QUESTION = Phrases(
    "[follow up|followup|clarifying|direct|further|new|another|additional|single] question"
)
_SHAPE_ADJECTIVE = Phrases(
    "valid|single|actual|literal|real|clickable|markdown|formatted|external|web|working|full|exact"
    "|unicode|british|international|numerical|numeric|written|internet|specific|concrete"
    "|plain|proper"
)
_SHAPE_SUFFIX = Phrases("sign|symbol|character|value|tag|mark")
_SHAPE_NAMES = Phrases("|".join(name for named in NAMED_SHAPES for name in named.names))
_BY_NAME: dict[str, Named] = {
    " ".join(map(base_form, name.split())): named
    for named in reversed(NAMED_SHAPES)
    for name in named.names
}


By = Literal["contain", "type", "write", "say"]


@dataclass(frozen=True)
class Reading:
    """What may be read here.

    Args:
        place: Where in the message the things must stand.
        by: How they come there, on which it depends what names mean: a message contains "a dash",
            somebody types one, sends "a list", or says "a number".
        is_of_message: Whether a message has them, or the assistant writes it.
        has_shapes: Whether things without quotes are wording too.
        has_names: Whether a quote may be the name of a thing: "the movie 'Titanic'".
        has_proper_names: Whether a name with capitals is wording too: "mentions GDPR".
        is_absent: Whether they must not be there, so that a further "not" only says it again.
    """

    place: Place = "anywhere"
    by: By = "contain"
    is_of_message: bool = True
    has_shapes: bool = True
    is_absent: bool = False
    has_names: bool = True
    has_proper_names: bool = False


def read_objects(cursor: Cursor, reading: Reading) -> Condition | None:
    """Read one or several things that stand in a message."""
    return cursor.attempt(lambda at: _read_group(at, reading)) or _read_list(cursor, reading, "")


def _read_group(cursor: Cursor, reading: Reading) -> Condition | None:
    """Read "either 'a' or 'b'", "all of 'a', 'b'", "none of these words: 'a', 'b'"."""
    for phrases, joint in ((_EVERY, "all"), (_ONE_OF, "any"), (_NONE, "none")):
        start = cursor.at
        if cursor.take(phrases):
            is_absent = reading.is_absent or joint == "none"
            if found := _read_list(cursor, replace(reading, is_absent=is_absent), joint):
                return Not(found) if joint == "none" else found
            cursor.at = start
    return None


def _read_list(cursor: Cursor, reading: Reading, forced: str) -> Condition | None:
    """Read things with commas, "or" and "and" between them."""
    first = cursor.attempt(lambda at: _read_item(at, reading))
    if first is None:
        return None
    items, joints, start = [first], [], cursor.at
    while more := cursor.attempt(lambda at: _read_next(at, reading, first)):
        if forced == "any" and more[0] == "all" and _kind(more[1]) != _kind(first):
            # In "one of 'a', 'b' and a number" the number is none of them.
            cursor.at = start
            break
        start = cursor.at
        joints.append(more[0])
        items.append(more[1])
    together = _combined(items, joints, forced, reading.place)
    excluded: list[Condition] = []
    while other := cursor.attempt(lambda at: _read_excluded(at, reading)):
        excluded.append(other)
    if not excluded:
        return together
    if reading.is_absent:
        return any_of([together, *excluded])
    return AllOf((together, *map(Not, excluded)))


def _kind(condition: Condition) -> type:
    return type(condition.what) if isinstance(condition, Occurs) else type(condition)


def _read_excluded(cursor: Cursor, reading: Reading) -> Condition | None:
    """Read "but not 'b'"."""
    return (
        read_objects(cursor, replace(reading, place="anywhere")) if cursor.take(_BUT_NOT) else None
    )


def _read_next(cursor: Cursor, reading: Reading, first: Condition) -> tuple[str, Condition] | None:
    joint = next((joint for phrases, joint in _JOINTS if cursor.take(phrases)), None)
    if joint is None and cursor.now.text == "|":
        cursor.at, joint = cursor.at + 1, "any"
    is_bare = cursor.now.kind == "quote"
    item = _read_item(cursor, reading) if joint else None
    if item and is_bare:
        item = _alike(first, item)
    return (joint, item) if joint and item else None


def _alike(first: Condition, item: Condition) -> Condition:
    """Let "the letter" of "the letter 'a' or 'b'" be said of both."""
    if not (isinstance(first, Occurs) and isinstance(item, Occurs)):
        return item
    if not (isinstance(first.what, Phrase) and isinstance(item.what, Phrase)):
        return item
    return replace(item, what=replace(item.what, likeness=first.what.likeness))


def _combined(items: list[Condition], joints: list[str], forced: str, place: Place) -> Condition:
    """Join what was listed; "and" binds more tightly than "or"."""
    if forced == "none":
        # "No link and no number" repeats the "no".
        return any_of([item.part if isinstance(item, Not) else item for item in items])
    if len(items) == 1:
        return items[0]
    # One message cannot start in two ways.
    if forced == "all" and place == "anywhere":
        return Together(tuple(items))
    if forced or place != "anywhere" or "all" not in joints:
        return any_of(items)
    groups = [[items[-1]]]
    following = "all"
    for joint, item in zip(reversed(joints), reversed(items[:-1]), strict=True):
        # A comma stands for the joint that follows it.
        following = following if joint == "comma" else joint
        if following == "all":
            groups[0].insert(0, item)
        else:
            groups.insert(0, [item])
    return any_of([all_of(group) for group in groups])


def any_of(parts: list[Condition]) -> Condition:
    """Return that one of several conditions is met."""
    flat = [one for part in parts for one in (part.parts if isinstance(part, AnyOf) else (part,))]
    return flat[0] if len(flat) == 1 else AnyOf(tuple(flat))


def all_of(parts: list[Condition]) -> Condition:
    """Return that every one of several conditions is met."""
    flat = [one for part in parts for one in (part.parts if isinstance(part, AllOf) else (part,))]
    return flat[0] if len(flat) == 1 else AllOf(tuple(flat))


def negation(condition: Condition) -> Condition:
    """Return the opposite; "not 'a' and 'b'" is neither of them, "not both" is one at most."""
    if isinstance(condition, Not):
        return condition.part
    if isinstance(condition, AllOf) and not isinstance(condition, Together):
        is_list = all(isinstance(part, Occurs) for part in condition.parts)
        return Not(AnyOf(condition.parts)) if is_list else Not(condition)
    return Not(condition)


def _read_item(cursor: Cursor, reading: Reading) -> Condition | None:
    is_edge = reading.place in {"start", "end"}
    quoted = read_quoted(cursor, has_names=reading.has_names, is_edge=is_edge)
    if quoted is not None:
        least, most = quoted.many
        return Occurs(quoted.phrase, reading.place, least, most)
    what: Phrase | Shape | None = read_numeral(cursor)
    if what is None and reading.has_shapes:
        if shape := cursor.attempt(lambda at: _read_shape(at, reading)):
            return shape
        what = read_by_example(cursor)
    what = what or read_sign(cursor)
    if what is None and reading.has_proper_names:
        what = read_proper_name(cursor)
    if what is not None:
        return Occurs(what, reading.place)
    words = read_unquoted(cursor)
    if words is None:
        return None
    items: list[Condition] = [Occurs(phrase, reading.place) for phrase in words.phrases]
    joint = "all" if words.needs_all else "any"
    return _combined(items, [joint] * (len(items) - 1), "", reading.place)


def _read_shape(cursor: Cursor, reading: Reading) -> Condition | None:
    """Read "a link", "two question marks", "no emoji"."""
    many = read_range(cursor)
    is_definite = cursor.sees(_DEFINITE)
    if many is None:
        cursor.skip(_DETERMINER)
    if not cursor.sees(_SHAPE_NAMES):
        cursor.skip(_SHAPE_ADJECTIVE)
    has_article = cursor.before.base == "a"
    named = _read_name(cursor)
    if named is None or not _fits(named, reading):
        return None
    if (named.is_mass and (many or has_article)) or (named.is_span and many and many.least > 1):
        return None
    # "The price" is a certain one; "the dollar sign" is any.
    if is_definite and not named.is_sign:
        return None
    cursor.take(_SHAPE_SUFFIX)
    shape = named.shape
    if shape in _LISTS and many is None and (many := cursor.attempt(_read_items)):
        shape = replace(shape, many=f"items of {shape.one}")
    cursor.attempt(lambda at: read_examples(at, shape))
    if many == NONE:
        return Not(Occurs(shape, reading.place))
    least, most = read_open_end(cursor, many or Range(1, None))
    return Occurs(shape, reading.place, least, most)


_A_QUESTION = Named(QUESTION, ())
_LISTS = tuple(_BY_NAME[name].shape for name in ("list", "bullet list", "number list"))
_OF_ITEMS = Phrases("of|with|contain|that (have|contain)|has")
_ITEM = Phrases("[list] item|[bullet] point|step|bullet|entry|element|row|line|option|thing")


def _read_items(cursor: Cursor) -> Range | None:
    """Read "with more than five items" behind "a list"."""
    many = read_range(cursor) if cursor.take(_OF_ITEMS) else None
    if many is None or many == NONE or not cursor.take(_ITEM):
        return None
    # A list has something in it.
    return Range(max(1, many.least), many.most)


# These mean nothing else, whatever is done with them.
_PLAIN = (QUESTION, *(_BY_NAME[name].shape for name in ("question mark", "exclamation mark")))


def _read_name(cursor: Cursor) -> Named | None:
    name = cursor.take(_SHAPE_NAMES)
    if name is not None:
        return _BY_NAME[name]
    return _A_QUESTION if cursor.take(_QUESTION) else None


def _fits(named: Named, reading: Reading) -> bool:
    if reading.by == "contain" or named.shape in _PLAIN:
        return True
    if named.is_sign:
        return reading.by == "type"
    if named.is_format:
        return reading.by != "say" and (reading.is_of_message or not named.is_common)
    return not named.is_common
