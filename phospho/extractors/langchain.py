"""Read text out of LangChain and LangGraph: messages, prompts, results, states and their JSON.

Source: langchain-core 1.7, messages/, prompt_values.py, outputs/, documents/base.py, agents.py;
langgraph 1.2, types.py (`Command`, `GraphOutput`, `Interrupt`). A state holds the history of a
conversation; what counts is its last turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from phospho.extraction import Extracted
from phospho.extractors import messages as by_role
from phospho.extractors.chunks import read_list
from phospho.extractors.fields import get, get_list, get_text, json_text, last_items
from phospho.extractors.langchain_messages import (
    Message,
    attachments_of,
    calls_of,
    details_of,
    finish_of,
    is_from_user,
    model_of,
    provider_usage,
    read_message,
    read_messages,
    said,
    usage_of,
)
from phospho.extractors.langchain_stream import Chunks, is_chunk
from phospho.extractors.messages import calls_text
from phospho.hookspecs import hookimpl

__all__ = ["Chunks"]

# A state inside a command inside an output; deeper is a mistake.
_MAX_DEPTH = 6

# Of a chain's dict; it has a handful.
_MAX_NAMES = 100


@hookimpl
def phospho_extract_input(value: Any) -> Extracted | None:
    """Return the last message a person wrote, the text of a prompt, or what resumes a graph."""
    return _read_input(value, 0)


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return the last answer in a message, a result, a state or a list of chunks."""
    return _read_output(value, 0)


def _read_input(value: Any, depth: int) -> Extracted | None:
    if depth > _MAX_DEPTH or isinstance(value, str):
        return None
    messages = messages_of(value)
    if messages is not None:
        return _request(value, messages)
    if isinstance(value, Mapping):
        return _prompt(get(value, "kwargs")) or _first(
            value, by_role.INPUT_KEYS, _read_input, depth
        )
    if (resumed := get(value, "resume")) is not None and _is_of(value, "langgraph"):
        return Extracted(text=_resumed_text(resumed))
    if (update := get(value, "update")) is not None and _is_of(value, "langgraph"):
        return _read_input(update, depth + 1)
    return _read_document(value) if _is_document(value) else _prompt(value)


def _read_output(value: Any, depth: int) -> Extracted | None:
    if depth > _MAX_DEPTH or isinstance(value, str):
        return None
    if isinstance(value, (list, tuple)):
        return _read_list(last_items(value))
    if not isinstance(value, Mapping) and (read := _read_object(value, depth)) is not None:
        return read
    messages = messages_of(value)
    if messages is not None:
        is_alone = read_message(value) is not None
        if not is_alone:
            # What a graph said in the turns before is no answer to this one.
            messages = list(since_user(messages))
        return _with_interrupts(value, read_turn(messages, is_alone=is_alone))
    read = _result(value)
    if read is None and isinstance(value, Mapping):
        read = _read_mapping(value, depth)
        is_waiting = read is None and get_list(value, "__interrupt__")
        return _with_interrupts(value, Extracted(text="")) if is_waiting else read
    return read


def _read_list(items: list[Any]) -> Extracted | None:
    """Return the answer in whole messages, or in what was streamed, which may be messages too."""
    messages = None if any(map(is_chunk, items)) else messages_of(items)
    if messages is not None:
        # What runs tools gives only what they said.
        return read_turn(messages, is_alone=all(m.role == "tool" for m in messages))
    return _documents(items) or read_list(Chunks([]), items)


def _read_object(value: Any, depth: int) -> Extracted | None:
    """Return the answer in a graph's `GraphOutput` or an agent's `AgentFinish`, or a document."""
    if _is_document(value):
        return _read_document(value)
    if _is_of(value, "langgraph") and get(value, "interrupts") is not None:
        answer = _read_output(get(value, "value"), depth + 1)
        return None if answer is None else _with_interrupts(value, answer)
    returned = get(value, "return_values")
    if not isinstance(returned, Mapping):
        return None
    return _read_output(returned, depth + 1) or by_role.phospho_extract_output(returned)


def messages_of(value: Any) -> list[Message] | None:
    """Return the messages of a list, a state, a prompt or a batch of one; or the message itself."""
    if isinstance(value, (list, tuple)):
        items = last_items(value)
        if len(items) == 1 and isinstance(items[0], list):
            items = last_items(items[0])
    elif (message := read_message(value)) is not None:
        return read_messages([value]) if message.is_own else None
    else:
        found = get(value, "messages") or get(get(value, "kwargs"), "messages")
        return messages_of(found) if isinstance(found, (list, tuple)) else _only(found)
    return read_messages(items) if items else None


def _only(value: Any) -> list[Message] | None:
    """Return one message that a state has in place of a list."""
    return None if read_message(value) is None else read_messages([value])


def _request(value: Any, messages: list[Message]) -> Extracted:
    system = [text for m in messages if m.role == "system" and (text := said(m))]
    is_state = not isinstance(value, (list, tuple))
    return Extracted(
        text=_asked(messages),
        model=get_text(value, "model") if is_state else None,
        system_prompt="\n".join(system) or None,
        extra=_counts(messages),
    )


def _asked(messages: Sequence[Message]) -> str:
    for wanted in (is_from_user, lambda m: m.role not in {"system", "tool"}, lambda _: True):
        for message in reversed(messages):
            if wanted(message):
                return said(message) or calls_text(calls_of(message))
    return ""


def read_turn(messages: Sequence[Message], *, is_alone: bool = False) -> Extracted:
    """Return the last answer with the usage and calls of all models since the person's message.

    Args:
        messages: Some of which may be no answers.
        is_alone: Whether the message is all there is, so that it must be the answer.
    """
    answers = [message for message in messages if message.role in {"ai", "assistant"}]
    turn = [m for m in since_user(messages) if m.role in {"ai", "assistant"}] or answers[-1:]
    if not answers:
        return Extracted(text=said(messages[0]) if is_alone and messages else "")
    last = answers[-1]
    metadata = get(last.body, "response_metadata")
    usage: Counter[str] = Counter()
    details: Counter[str] = Counter()
    for message in turn:
        usage.update(usage_of(message.body))
        details.update(details_of(message.body))
    return Extracted(
        text=said(last) or _refusal(last) or calls_text(calls_of(last)),
        model=model_of(metadata),
        usage=dict(usage),
        finish_reason=finish_of(metadata),
        tool_calls=[call for message in turn for call in calls_of(message)],
        extra=_counts(since_user(messages)) | dict(details) | _refused(last),
    )


def since_user(messages: Sequence[Message]) -> Sequence[Message]:
    """Return what follows the last message a person wrote."""
    for place in range(len(messages) - 1, -1, -1):
        if messages[place].role == "user":
            return messages[place + 1 :]
    return messages


def _refusal(message: Message) -> str:
    return get_text(get(message.body, "additional_kwargs"), "refusal") or ""


def _refused(message: Message) -> dict[str, Any]:
    blocks = get_list(message.body, "content")
    is_refused = _refusal(message) or any(get(block, "type") == "refusal" for block in blocks)
    return {"refusal": True} if is_refused else {}


def _counts(messages: Sequence[Message]) -> dict[str, Any]:
    attached = attachments_of([message for message in messages if message.role != "tool"])
    results = sum(message.role == "tool" for message in messages)
    extra: dict[str, Any] = {"attachments": attached} if attached else {}
    return extra | ({"tool_results": results} if results else {})


def _prompt(value: Any) -> Extracted | None:
    """Return the text of a `StringPromptValue`."""
    is_prompt = get(value, "type") == "StringPromptValue"
    return Extracted(text=get_text(value, "text") or "") if is_prompt else None


def _resumed_text(resumed: Any) -> str:
    """Return what a person answered to a graph that waits; by interrupt, there may be several."""
    if isinstance(resumed, Mapping):
        texts = [item for item in list(resumed.values())[:_MAX_NAMES] if isinstance(item, str)]
        if texts:
            return "\n".join(texts)
    return json_text(resumed)


def _result(value: Any) -> Extracted | None:
    """Return the first generation of an `LLMResult`, a `ChatResult`, or one generation."""
    if _is_generation(value):
        return _generation(value)
    batches = get_list(value, "generations")
    choices = last_items(batches[0]) if batches and isinstance(batches[0], list) else batches
    if not choices or not _is_generation(choices[0]):
        return None
    read = _generation(choices[0])
    general = get(value, "llm_output")
    others = [_generation(choice).text for choice in choices[1:]]
    return replace(
        read,
        model=read.model or model_of(general),
        usage=read.usage or provider_usage(general),
        extra={**read.extra, **({"choices": others} if others else {})},
    )


def _is_generation(value: Any) -> bool:
    kind = get_text(value, "type") or ""
    return kind.removesuffix("Chunk") in {"Generation", "ChatGeneration"}


def _generation(value: Any) -> Extracted:
    messages = messages_of(get(value, "message"))
    read = read_turn(messages) if messages else Extracted(text=get_text(value, "text") or "")
    own = get(value, "generation_info")
    return replace(
        read,
        model=read.model or model_of(own),
        finish_reason=read.finish_reason or finish_of(own),
    )


def _documents(items: list[Any]) -> Extracted | None:
    """Count what a retriever found; it is not an answer yet."""
    if not items or not all(_is_document(item) for item in items):
        return None
    return Extracted(text=f"({len(items)} documents)", extra={"documents": len(items)})


def _read_document(document: Any) -> Extracted:
    return Extracted(text=get_text(document, "page_content") or "", extra={"documents": 1})


def _is_document(value: Any) -> bool:
    if isinstance(value, Mapping) and get(value, "kwargs") is not None:
        value = get(value, "kwargs")
    return get_text(value, "page_content") is not None


def _read_mapping(value: Mapping[Any, Any], depth: int) -> Extracted | None:
    """Return the answer in what a chain returns; what it was made from is counted."""
    if "parsed" in value and "raw" in value:
        return _read_output(get(value, "raw"), depth + 1)
    if not any(_is_ours(item) for item in list(value.values())[:_MAX_NAMES]):
        return None
    read = _first(value, by_role.OUTPUT_KEYS, _read_output, depth)
    read = read or by_role.phospho_extract_output(value)
    if read is None:
        return None
    documents = sum(_count_documents(item) for item in list(value.values())[:_MAX_NAMES])
    return replace(read, extra={**read.extra, "documents": documents}) if documents else read


def _is_ours(value: Any) -> bool:
    if isinstance(value, (list, tuple)) and value:
        value = last_items(value)[-1]
    return _is_document(value) or _result(value) is not None or messages_of(value) is not None


def _count_documents(value: Any) -> int:
    if not isinstance(value, (list, tuple)):
        return 0
    return sum(_is_document(item) for item in last_items(value))


def _first(value: Any, names: Sequence[str], read: Any, depth: int) -> Extracted | None:
    """Return what is under the first of `names`, unless that is a text, which others read."""
    for name in names:
        found = get(value, name)
        if isinstance(found, str):
            return None
        if found is not None and (answer := read(found, depth + 1)) is not None:
            return answer if isinstance(answer, Extracted) else None
    return None


def _with_interrupts(value: Any, read: Extracted) -> Extracted:
    """Say that a graph waits for a person, and what it asks where it says nothing else."""
    waiting = [*_interrupts(value)]
    if not waiting:
        return read
    asked = "\n".join(json_text(get(interrupt, "value")) for interrupt in waiting)
    extra = {**read.extra, "interrupts": len(waiting)}
    is_silent = not read.text or read.text == calls_text(read.tool_calls)
    return replace(read, text=asked if is_silent and asked else read.text, extra=extra)


def _interrupts(value: Any) -> Iterator[Any]:
    yield from get_list(value, "interrupts") or get_list(value, "__interrupt__")


def _is_of(value: Any, package: str) -> bool:
    return type(value).__module__.partition(".")[0] == package
