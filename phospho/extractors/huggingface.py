"""Read text out of Hugging Face pipelines and its inference client, objects and dicts.

Source: huggingface_hub 2.4, inference/_generated/types (text_generation.py, chat_completion.py,
which is OpenAI's format: see `openai.py`); transformers, pipelines/text_generation.py, whose
answers are lists of dicts, one list more for each batch.
"""

from __future__ import annotations

from typing import Any

from phospho.extraction import Extracted
from phospho.extractors import messages as general
from phospho.extractors import openai
from phospho.extractors.chunks import read_list
from phospho.extractors.fields import get, get_count, get_list, get_text, last_items, token_counts
from phospho.hookspecs import hookimpl

# What pipelines call their text, by task.
_NAMES = ("generated_text", "summary_text", "translation_text")


@hookimpl
def phospho_extract_input(value: Any) -> Extracted | None:
    """Return the `inputs` of a request to the inference API."""
    inputs = get_text(value, "inputs")
    return None if inputs is None else Extracted(inputs, model=get_text(value, "model"))


@hookimpl
def phospho_extract_output(value: Any) -> Extracted | None:
    """Return the first generated text, of a batch the first of each; or what a chat says."""
    if isinstance(value, (list, tuple)):
        items = last_items(value)
        return _read_batch(items) or _read_all(items) or read_list(Chunks([]), items)
    if _is_stream_chunk(value):
        return read_list(Chunks([]), [value])
    if _text_of(value) is not None:
        return _read_all([value])
    return openai.phospho_extract_output(value)


def _read_batch(items: list[Any]) -> Extracted | None:
    """Read lists in a list, one for each prompt."""
    if not items or not all(isinstance(item, (list, tuple)) for item in items):
        return None
    answers = [_read_all(last_items(item)) for item in items]
    found = [answer for answer in answers if answer is not None]
    if len(found) < len(answers):
        return None
    return found[0] if len(found) == 1 else Extracted("\n".join(answer.text for answer in found))


def _read_all(items: list[Any]) -> Extracted | None:
    """Read the texts that were generated from one prompt."""
    texts = [text for item in items if (text := _text_of(item)) is not None]
    if not texts or len(texts) < len(items) or any(map(_is_stream_chunk, items)):
        return None
    details = get(items[0], "details")
    return Extracted(
        text=texts[0],
        usage=_read_usage(details),
        finish_reason=get_text(details, "finish_reason"),
        extra={"choices": texts[1:]} if texts[1:] else {},
    )


def _text_of(item: Any) -> str | None:
    """Return a text, or the last one of the assistant in a chat that a pipeline returned."""
    for name in _NAMES:
        found = get(item, name)
        if isinstance(found, str):
            return found
        if isinstance(found, (list, tuple)):
            answer = general.phospho_extract_output(found)
            return None if answer is None else answer.text
    return None


def _read_usage(details: Any) -> dict[str, int]:
    """Count the tokens; those of the prompt are known where the app asked for them."""
    prompt = get_count(details, "input_length") or len(get_list(details, "prefill")) or None
    return token_counts(prompt, get_count(details, "generated_tokens"))


def _is_stream_chunk(value: Any) -> bool:
    return get_text(get(value, "token"), "text") is not None


class Chunks(openai.Chunks):
    """Reads the chunks of a generated text, or of a chat."""

    def add(self, chunk: Any) -> bool:
        """Read one chunk; a token that is special is for machines."""
        token = get(chunk, "token")
        if token is None:
            return super().add(chunk)
        text = get_text(token, "text")
        if text is None:
            return False
        if not get(token, "special"):
            self.texts.append(text)
        if (details := get(chunk, "details")) is not None:
            self.usage = _read_usage(details)
            self.finish_reason = get_text(details, "finish_reason")
        return True
