"""Words in their base forms: contains, contained and containing are all "contain"."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

_VERBS = """
    ask pose raise start begin open lead end finish close conclude contain include mention say
    write use utter type answer respond reply send state spell give provide share repeat tell
    feature carry employ display show insert put add output print return produce generate emit
    post submit enter input quote have be do equal match read consist appear occur find see
    speak lack omit miss leave avoid exclude skip exceed count last echo refer make talk bring
    drop get flag detect check notice look catch list report alert notify mark tag highlight
    spot search watch identify track trigger fire happen collect log record monitor surface
    capture fail forget refrain remember need reach run span address call exclaim shout format
    phrase come follow precede number comprise want know offer cite reference acknowledge
    agree apologise apologize blurt chime comment commence complain confirm copy crop curse
    decline duplicate exist filter go greet hear help hold incorporate interrupt introduce
    keep kick limit matter measure mirror neglect note object parrot pick pop pull react
    refuse regurgitate remain render reproduce restate stay steer stretch swear take terminate
    thank throw voice weigh welcome wrap
"""
_IRREGULAR = {
    "be": "is are was were been being am",
    "have": "has had having",
    "do": "does did done doing",
    "say": "said",
    "write": "wrote written writing",
    "begin": "began begun beginning",
    "lead": "led",
    "send": "sent",
    "give": "gave given",
    "tell": "told",
    "find": "found",
    "see": "saw seen",
    "speak": "spoke spoken",
    "leave": "left",
    "forget": "forgot forgotten forgetting",
    "make": "made",
    "bring": "brought",
    "get": "got gotten getting",
    "catch": "caught",
    "put": "putting",
    "read": "reading",
    "run": "ran running",
    "spell": "spelt",
    "omit": "omitted omitting",
    "refer": "referred referring",
    "submit": "submitted submitting",
    "emit": "emitted emitting",
    "drop": "dropped dropping",
    "skip": "skipped skipping",
    "input": "inputted",
    "come": "came",
    "flag": "flagged flagging",
    "log": "logged logging",
    "tag": "tagged tagging",
    "spot": "spotted spotting",
    "output": "outputted",
    "label": "labelled labeled",
    "span": "spanned spanning",
    "format": "formatted formatting",
    "they": "he she",
    "go": "goes went gone",
    "hear": "heard",
    "hold": "held",
    "keep": "kept",
    "swear": "swore sworn",
    "take": "took taken",
    "throw": "threw thrown",
    "person": "people",
    "analysis": "analyses",
    "emoji": "emojis emojies",
    "capitalised": "capitalized capitalise capitalize capitalises capitalizes",
    "lowercase": "lowercased",
    "uppercase": "uppercased",
    "that": "which who whom",
    "a": "an",
    "inquiry": "enquiry",
    "their": "his her its",
    "something": "anything whatever everything",
    "ai": "ais",
    "quotation": "quotations",
    "not": "n't nt",
    "parenthesis": "parentheses",
    "percent": "pct",
    "please": "pls plz",
    "message": "msg msgs mssg",
    "conversation": "convo convos",
    "character": "char chars",
    "response": "resp",
    "paragraph": "para paras",
}
_NOUNS = """
    user customer client human person visitor caller guest patient shopper buyer consumer
    member subscriber student learner employee sender requester speaker participant party side
    role assistant agent chatbot bot llm model system app machine copilot tutor rep
    representative advisor adviser operator message text turn sentence content utterance chat
    conversation interaction exchange dialogue dialog thread transcript question input query
    prompt request inquiry answer reply response output completion generation word phrase term
    expression keyword string name character symbol letter sign substring line paragraph case
    instance occurrence time situation example event occasion moment mention use usage
    presence absence appearance lack omission inclusion reference number digit numeral figure
    link url hyperlink uri address emoji emoticon smiley hashtag mark point exclamation comma
    colon semicolon hyphen dash apostrophe asterisk bracket brace parenthese slash backslash
    underscore dot period stop backtick tilde ampersand table heading header list item block
    snippet step price amount cost date year month day percentage value capital cap phone tag
    handle acronym bullet break newline greeting salutation disclaimer statement command
    prefix suffix opener closer hello title quote vowel dollar euro pound token space product
    brand company competitor place spelling pronoun noun verb adjective adjectives service
    website page song movie city country fragment slogan code error option sequence language
    row wording session card abbreviation domain email note marker placeholder piece total
    weblink weekday pipe star formula interjection
"""
_AS_TYPED = """
    the this these those some any every each all both either neither one none no not never nor
    or and but while whereas yet although though also as well plus with without within inside
    in on of from by to for at into throughout across than that there when whenever if whether
    where time anytime please me us i you we it they someone somebody anyone anybody everyone
    nobody noone between more less fewer longer shorter greater smaller over above under below
    most least minimum maximum up exactly precisely only just nothing else solely merely
    entirely completely wholly fully purely simply literally explicitly always actually ever
    even itself verbatim anywhere somewhere first last opening closing final initial latest
    current previous own following exact literal specific precise actual very same whole full
    entire particular currency punctuation special single multiple several once twice thrice
    repeatedly again case sensitive insensitive sensitively insensitively upper lower
    uppercase lowercase caps capitals capital capitalised empty blank long length size
    identical equal missing absent present free devoid true false yes out off anything
    whatever what something can could will would shall should must may might need able hundred
    thousand dozen couple zero two three four five six seven eight nine ten eleven twelve
    thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty
    sixty seventy eighty ninety end-user regardless ignoring about like such sort kind similar
    instead rather before after then because so new different another other follow clarifying
    written typed spoken formatted phrased worded mostly partly
"""
_CONTRACTIONS = {
    "cannot": ("can", "not"), "cant": ("can", "not"), "wont": ("will", "not"),
    "doesnt": ("do", "not"), "didnt": ("do", "not"), "dont": ("do", "not"), "isnt": ("be", "not"),
    "wasnt": ("be", "not"), "arent": ("be", "not"), "hasnt": ("have", "not"),
    "hadnt": ("have", "not"), "havent": ("have", "not"), "won't": ("will", "not"),
    "can't": ("can", "not"), "ain't": ("be", "not"), "shan't": ("shall", "not"),
    "werent": ("be", "not"), "shouldnt": ("should", "not"), "wouldnt": ("would", "not"),
}  # fmt: skip

# Shorter words have too many neighbours.
_MIN_MISSPELT_CHARS = 5


def _inflected(verb: str) -> list[str]:
    """Return the regular forms of a verb or noun."""
    stem = verb
    if verb.endswith("e"):
        return [f"{stem}s", f"{stem}d", f"{stem[:-1]}ing"]
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return [f"{stem[:-1]}ies", f"{stem[:-1]}ied", f"{stem}ing"]
    plural = f"{stem}es" if verb.endswith(("s", "x", "z", "ch", "sh")) else f"{stem}s"
    return [plural, f"{stem}ed", f"{stem}ing"]


@lru_cache(maxsize=1)
def _base_forms() -> dict[str, str]:
    """Return the base form of every known form; words that have meanings of their own stand."""
    forms: dict[str, str] = {}
    for noun in _NOUNS.split():
        forms.setdefault(_inflected(noun)[0], noun)
    for verb in _VERBS.split():
        for form in _inflected(verb):
            forms.setdefault(form, verb)
    for base, irregular in _IRREGULAR.items():
        forms.update(dict.fromkeys(irregular.split(), base))
    forms.update({word: word for word in [*_VERBS.split(), *_NOUNS.split(), *_IRREGULAR]})
    as_typed = ("following", "missing")
    forms.update(
        {word: word for word in _AS_TYPED.split() if word not in forms or word in as_typed}
    )
    return forms


def base_form(word: str) -> str:
    """Return the base form of a lower-case word; one that is misspelt counts as the nearest."""
    forms = _base_forms()
    known = forms.get(word) or _stem(word)
    if known is not None:
        return known
    if len(word) < _MIN_MISSPELT_CHARS:
        return word
    near = {form for key in _shortened(word) for form in _neighbours().get(key, ())}
    # Letters that changed places are likelier than letters that are wrong.
    swapped = {form for form in near if sorted(form) == sorted(word)}
    bases = {forms[form] for form in swapped or near}
    return bases.pop() if len(bases) == 1 else word


# Further words of the grammar, in whatever form it uses them.
_REGISTERED: set[str] = set()


def register(words: Iterable[str]) -> None:
    """Let further words be known in their regular forms."""
    _REGISTERED.update(words)


def _stem(word: str) -> str | None:
    """Return the further word of which this is a regular form."""
    if word in _REGISTERED:
        return word
    for ending, instead in _ENDINGS:
        stem = word.removesuffix(ending) + instead
        if stem != word and word.endswith(ending) and stem in _REGISTERED:
            return stem
    return None


_ENDINGS = (("s", ""), ("es", ""), ("ies", "y"), ("ed", ""), ("d", ""), ("ing", ""), ("ing", "e"))


def contraction(word: str) -> tuple[str, ...] | None:
    """Return the words a contraction stands for, in base forms."""
    return _CONTRACTIONS.get(word)


@lru_cache(maxsize=1)
def _neighbours() -> dict[str, tuple[str, ...]]:
    """Return the long known words by what is left of them without one letter."""
    found: dict[str, tuple[str, ...]] = {}
    for form in _base_forms():
        if len(form) >= _MIN_MISSPELT_CHARS:
            for key in _shortened(form):
                found[key] = (*found.get(key, ()), form)
    return found


def _shortened(word: str) -> set[str]:
    """Return a word and all that is left of it without one letter."""
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}
