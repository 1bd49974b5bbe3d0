"""Read text out of Gemini requests, answers and streams, objects and dicts of either spelling.

Source: google-genai 3.4, types.py (`GenerateContentResponse`, `Content`, `Part`,
`GenerateContentConfig`) and chats.py; a stream's chunks are such responses too. The REST API and
`model_dump(by_alias=True)` spell the names in camelCase. Vertex AI's own library has the shape too.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from phospho import snapshot
from phospho.extraction import Extracted
from phospho.extractors.chunks import ChunkReader, read_list
from phospho.extractors.fields import (
    get,
    get_text,
    is_picture,
    join_parts,
    json_text,
    last_items,
    token_counts,
)
from phospho.extractors.messages import calls_text
from phospho.hookspecs import hookimpl

_CAMEL = {
    "block_reason": "blockReason",
    "block_reason_message": "blockReasonMessage",
    "cached_content_token_count": "cachedContentTokenCount",
    "candidates_token_count": "candidatesTokenCount",
    "executable_code": "executableCode",
    "file_data": "fileData",
    "finish_message": "finishMessage",
    "finish_reason": "finishReason",
    "function_call": "functionCall",
    "function_response": "functionResponse",
    "inline_data": "inlineData",
    "mime_type": "mimeType",
    "model_version": "modelVersion",
    "prompt_feedback": "promptFeedback",
    "prompt_token_count": "promptTokenCount",
    "response_token_count": "responseTokenCount",
    "system_instruction": "systemInstruction",
    "thoughts_token_count": "thoughtsTokenCount",
    "tool_use_prompt_token_count": "toolUsePromptTokenCount",
    "total_token_count": "totalTokenCount",
    "usage_metadata": "usageMetadata",
}

# So many parts of each content are looked at however many contents there are.
_FEW = 10

# The role of a content and its parts.
_Turn = tuple[str | None, list[Any]]

_PARTS = (
    "text", "inline_data", "file_data", "function_call", "function_response", "executable_code",
)  # fmt: skip


def field(value: Any, name: str) -> Any:
    """Return a field, of a dict also under its name on the wire."""
    found = get(value, name)
    if found is None and value.__class__ is dict and name in _CAMEL:
        return value.get(_CAMEL[name])
    return found


@hookimpl
def phospho_extract_input(value: Any) -> Extracted | None:
    """Return the last that the user said in a request, a list of contents, or one of them."""
    contents = get(value, "contents")
    turns = _history_of(value) if contents is None else _turns_of(contents)
    spoken = [parts for role, parts in turns if role != "model" and not _is_results(parts)]
    if not spoken:
        return None
    config = get(value, "config")
    system = field(value, "system_instruction") or field(config, "system_instruction")
    return Extracted(
        text=_text_of(spoken[-1], "\n"),
        model=get_text(value, "model"),
        system_prompt="\n".join(_text_of(parts, "\n") for _, parts in _turns_of(system)) or None,
        extra=_count_files([part for _, parts in turns for part in parts]),
    )


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return the first candidate as a person read it, a stream's, or a history's last answer."""
    if not isinstance(value, (list, tuple)):
        if is_response(value):
            return read_response(value)
        if (error := _read_error(value)) is not None:
            return error
        value = [value]
    values = last_items(value)
    if values and all(map(_is_candidate, values)):
        return read_response({"candidates": values})
    if (streamed := read_list(Chunks([]), values)) is not None:
        return streamed
    answers = [parts for role, parts in _history_of(values) if role in {"model", None}]
    return _read_parts(answers[-1]) if answers else None


def is_response(value: Any) -> bool:
    """Know a response by its candidates, or by why it has none."""
    if _is_own(value) or _blocked(value):
        return True
    candidates = _items(value, "candidates")
    return bool(candidates) and all(map(_is_candidate, candidates[:1]))


def read_response(value: Any) -> Extracted:
    """Return what a response says; a field that is not as expected counts as missing."""
    candidates = _items(value, "candidates")
    first = candidates[0] if candidates else None
    usage = field(value, "usage_metadata")
    answer, *others = [_read_parts(_parts_of(get(c, "content"))) for c in candidates or [None]]
    return Extracted(
        text=answer.text,
        model=word(field(value, "model_version")),
        usage=read_usage(usage, field),
        finish_reason=word(field(first, "finish_reason")),
        tool_calls=answer.tool_calls,
        error=_blocked(value),
        extra={
            **answer.extra,
            **({"choices": [other.text for other in others]} if others else {}),
            **_read_finish(first),
            **read_details(usage, field),
        },
    )


def read_usage(usage: Any, read: Callable[[Any, str], Any]) -> dict[str, int]:
    """Return the token counts; what was thought and what tools returned count beside the rest."""
    prompt = _sum(read(usage, "prompt_token_count"), read(usage, "tool_use_prompt_token_count"))
    said = read(usage, "candidates_token_count")
    completion = _sum(
        read(usage, "response_token_count") if said is None else said,
        read(usage, "thoughts_token_count"),
    )
    return token_counts(prompt, completion, _sum(read(usage, "total_token_count")))


def read_details(usage: Any, read: Callable[[Any, str], Any]) -> dict[str, int]:
    """Return what of the tokens was thought and what came from a cache."""
    counts = {
        "reasoning_tokens": _sum(read(usage, "thoughts_token_count")),
        "cached_tokens": _sum(read(usage, "cached_content_token_count")),
    }
    return {name: count for name, count in counts.items() if count}


def word(value: Any) -> str | None:
    """Return a text; an enum's is its value, or its name where it is a number."""
    if isinstance(value, enum.Enum):
        return value.value if isinstance(value.value, str) else value.name
    return value if isinstance(value, str) else None


class Chunks(ChunkReader):
    """Reads the responses that a stream consists of."""

    def add(self, chunk: Any) -> bool:
        """Read one response; the last ones tell the tokens of all."""
        # Of the library's own class a plain attribute is enough, and three times as fast.
        is_own = _is_own(chunk)
        read = _attribute if is_own else field
        candidates = read(chunk, "candidates")
        if candidates.__class__ is list and candidates:
            if not self._add_candidate(candidates[0], read):
                return False
            if self.model is None:
                self.model = word(read(chunk, "model_version"))
            return self.finish_reason is None or self._add_usage(chunk, read)
        self.error = _blocked(chunk) or self.error
        return self._add_usage(chunk, read) and (is_own or bool(self.usage or self.error))

    def _add_usage(self, chunk: Any, read: Callable[[Any, str], Any]) -> bool:
        usage = read(chunk, "usage_metadata")
        self.usage.update(read_usage(usage, read))
        self.extra.update(read_details(usage, read))
        return True

    def _add_candidate(self, candidate: Any, read: Callable[[Any, str], Any]) -> bool:
        content = read(candidate, "content")
        parts = read(content, "parts")
        if parts.__class__ is list:
            for part in parts:
                text = read(part, "text")
                if text.__class__ is str:
                    if not read(part, "thought"):
                        self.texts.append(text)
                else:
                    self._add_other(part)
        reason = read(candidate, "finish_reason")
        if reason is not None:
            self.finish_reason = word(reason)
            self.extra.update(_read_finish(candidate))
        return parts.__class__ is list or reason is not None or read(content, "role") is not None

    def _add_other(self, part: Any) -> None:
        if (kind := _kind_of(part)) is not None:
            self.attach(kind, is_piece=kind in _IN_PIECES)
        for call in _calls_of([part]):
            self.call(len(self.calls)).add(call["name"], call["arguments"])


# What is spoken comes in pieces; a picture is whole.
_IN_PIECES = frozenset({"audio", "video"})


def _is_own(value: Any) -> bool:
    kind = type(value)
    return (kind.__module__, kind.__name__) == ("google.genai.types", "GenerateContentResponse")


def _attribute(value: Any, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:  # noqa: BLE001 - what is inside may be a stranger's
        return None


def _sum(*counts: Any) -> int | None:
    known = [count for count in counts if count.__class__ is int]
    return sum(known) if known else None


def _items(value: Any, name: str) -> list[Any]:
    found = field(value, name)
    return last_items(found) if isinstance(found, (list, tuple)) else []


def _is_candidate(value: Any) -> bool:
    return bool(_parts_of(get(value, "content"))) or word(field(value, "finish_reason")) is not None


def _parts_of(content: Any, most: int = snapshot.MAX_ITEMS) -> list[Any]:
    """Return the parts of a content; in that of a role, a part may be only its text."""
    parts = field(content, "parts")
    parts = [parts] if isinstance(parts, str) else _items(content, "parts")[-most:]
    if get_text(content, "role") in _ROLES and get(content, "content_type") is None:
        parts = [{"text": part} if isinstance(part, str) else part for part in parts]
    return [part for part in parts if _is_part(part)]


_ROLES = frozenset({"user", "model", "function"})


def _is_part(part: Any) -> bool:
    """Tell a part from those of other formats, which say of what type they are."""
    return (
        not isinstance(part, (str, int, list, tuple))
        and get(part, "type") is None
        and get(part, "kind") is None
        and any(field(part, name) is not None for name in _PARTS)
    )


def _is_content(value: Any) -> bool:
    is_of_library = type(value).__module__ == "google.genai.types"
    is_loose = is_of_library and (_is_part(value) or _is_file(value))
    return is_loose or bool(_parts_of(value, _FEW))


def _history_of(value: Any) -> list[_Turn]:
    """Return the turns of a list of contents or of one; none where others may have such a value."""
    items = last_items(value) if isinstance(value, (list, tuple)) else [value]
    return _turns_of(items) if any(map(_is_content, items)) else []


def _turns_of(contents: Any) -> list[_Turn]:
    """Return the parts of each content by its role; parts that stand by themselves have none."""
    items = last_items(contents) if isinstance(contents, (list, tuple)) else [contents]
    most = max(_FEW, snapshot.MAX_ITEMS // max(1, len(items)))
    turns: list[_Turn] = []
    is_loose = False
    for item in items:
        if parts := _parts_of(item, most):
            turns.append((get_text(item, "role"), parts))
            is_loose = False
        elif isinstance(item, str) or _is_file(item) or _is_part(item):
            if not is_loose:
                turns.append((None, []))
            is_loose = True
            turns[-1][1].append({"text": item} if isinstance(item, str) else item)
    return turns


def _is_file(value: Any) -> bool:
    """Know an uploaded file, or an image of Pillow."""
    return is_picture(value) or _is_uploaded(value)


def _is_uploaded(value: Any) -> bool:
    return get_text(value, "uri") is not None and field(value, "mime_type") is not None


def _is_results(parts: Sequence[Any]) -> bool:
    return all(field(part, "function_response") is not None for part in parts)


def _read_parts(parts: Sequence[Any]) -> Extracted:
    calls = _calls_of(parts)
    text = _text_of(parts) or calls_text(calls)
    return Extracted(text=text, tool_calls=calls, extra=_count_files(parts))


def _text_of(parts: Sequence[Any], between: str = "") -> str:
    """Join what is not thought; an answer is cut into parts anywhere, a question between texts."""
    texts = [text for part in parts if (text := get_text(part, "text")) and not _is_thought(part)]
    return between.join(texts) if between else join_parts(texts)


def _is_thought(part: Any) -> bool:
    return get(part, "thought") is True


def _calls_of(parts: Sequence[Any]) -> list[dict[str, str]]:
    return [call for part in parts if (call := _read_call(part)) is not None]


def _read_call(part: Any) -> dict[str, str] | None:
    """Read a call of the app's function, or code that Google ran."""
    call = field(part, "function_call")
    if name := get_text(call, "name"):
        return {"name": name, "arguments": json_text(get(call, "args"))}
    code = get_text(field(part, "executable_code"), "code")
    return {"name": "executable_code", "arguments": json_text({"code": code})} if code else None


def _count_files(parts: Sequence[Any]) -> dict[str, Any]:
    """Count files by the first half of their type, and results of tools."""
    kinds = Counter(kind for part in parts if (kind := _kind_of(part)) is not None)
    results = sum(field(part, "function_response") is not None for part in parts)
    extra: dict[str, Any] = {"attachments": dict(kinds)} if kinds else {}
    return extra | ({"tool_results": results} if results else {})


def _kind_of(part: Any) -> str | None:
    if is_picture(part):
        return "image"
    blob = field(part, "inline_data") or field(part, "file_data")
    if blob is None and not _is_file(part):
        return None
    kind = (word(field(part if blob is None else blob, "mime_type")) or "").partition("/")[0]
    return kind if kind in {"image", "audio", "video"} else "file"


def _blocked(value: Any) -> dict[str, str] | None:
    """Tell why a prompt was not answered at all."""
    feedback = field(value, "prompt_feedback")
    reason = word(field(feedback, "block_reason"))
    if not reason:
        return None
    message = word(field(feedback, "block_reason_message")) or "The prompt was blocked."
    return {"type": reason, "message": message}


def _read_finish(candidate: Any) -> dict[str, Any]:
    message = word(field(candidate, "finish_message"))
    return {"finish_message": message} if message else {}


def _read_error(value: Any) -> Extracted | None:
    """Read `{"error": {"code": int, "message": str, "status": str}}`, as the REST API fails."""
    error = get(value, "error")
    kind, message = get_text(error, "status"), get_text(error, "message")
    if kind is None or message is None:
        return None
    return Extracted(text="", error={"type": kind, "message": message})
