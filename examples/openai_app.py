"""A chat on the command line whose conversations phospho logs: `python openai_app.py`.

Set `OPENAI_API_KEY`, and the three settings that `phospho serve` prints.
"""

from __future__ import annotations

import sys

import openai

import phospho
from phospho.integrations.openai import instrument_openai


def main() -> None:
    """Answer each line of the standard input, in one session."""
    phospho.init()
    client = instrument_openai(openai.OpenAI())
    messages: list[dict[str, str]] = [{"role": "system", "content": "Answer in one sentence."}]
    with phospho.session():
        for line in sys.stdin:
            messages.append({"role": "user", "content": line.strip()})
            answer = ""
            for chunk in client.chat.completions.create(
                model="gpt-5",
                messages=messages,  # type: ignore[arg-type]
                stream=True,
            ):
                piece = chunk.choices[0].delta.content or ""
                print(piece, end="", flush=True)
                answer += piece
            print()
            messages.append({"role": "assistant", "content": answer})


if __name__ == "__main__":
    main()
