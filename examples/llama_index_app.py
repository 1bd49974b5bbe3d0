"""A chat about two documents, with LlamaIndex: each turn is logged, streamed as it is.

Start `phospho serve`, set the three variables that it prints, and run this file. `MockLLM` and
`MockEmbedding` stand where your models do, so that it needs no other key.
"""

from llama_index.core import Document, MockEmbedding, VectorStoreIndex
from llama_index.core.chat_engine.types import BaseChatEngine
from llama_index.core.llms import MockLLM

import phospho
from phospho.integrations.llama_index import instrument_llama_index

DOCUMENTS = ["The bakery opens at eight, on Sundays at nine.", "Rye bread is baked on Fridays."]
QUESTIONS = ["When do you open on Sunday?", "And when is there rye bread?"]


def make_chat_engine() -> BaseChatEngine:
    """Return a chat engine that looks things up in the documents."""
    index = VectorStoreIndex.from_documents(
        [Document(text=text) for text in DOCUMENTS], embed_model=MockEmbedding(embed_dim=3)
    )
    return index.as_chat_engine(chat_mode="context", llm=MockLLM(max_tokens=5))


def main() -> None:
    """Ask two questions, in one session."""
    phospho.init()
    instrument_llama_index()
    chat_engine = make_chat_engine()
    with phospho.session(user_id="ada"):
        for question in QUESTIONS:
            print(f"> {question}")
            for token in chat_engine.stream_chat(question).response_gen:
                print(token, end="", flush=True)
            print()
    phospho.flush()


if __name__ == "__main__":
    main()
