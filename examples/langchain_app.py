"""A shop's assistant in LangChain, logged by phospho: retrieval, a fallback, a stream.

Run it next to `phospho serve`, with the settings which that prints:

    PHOSPHO_API_KEY=... PHOSPHO_PROJECT_ID=... python examples/langchain_app.py

The models are fakes, so that it needs no key of a provider; put yours in their place.
"""

from __future__ import annotations

from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough

import phospho
from phospho.integrations.langchain import PhosphoCallbackHandler

SHELF = {
    "back": Document("Returns within 30 days.", metadata={"source": "terms.md"}),
    "where": Document("Return it at any shop.", metadata={"source": "shops.md"}),
}


class Terms(BaseRetriever):
    """Finds what the shop has promised."""

    def _get_relevant_documents(self, query: str) -> list[Document]:
        return [document for word, document in SHELF.items() if word in query.lower()]


def is_down(_: object) -> str:
    """Stand for a model that is overloaded."""
    raise ConnectionError("the first model is overloaded")


def make_assistant() -> Runnable[str, str]:
    """Return a chain from a question to an answer."""
    prompt = ChatPromptTemplate.from_messages(
        [("system", "Answer from these terms: {terms}"), ("user", "{question}")]
    )
    model = FakeListChatModel(responses=["You have 30 days to send it back.", "At any shop."])
    return (
        {"terms": Terms(), "question": RunnablePassthrough()}
        | prompt
        | RunnableLambda(is_down).with_fallbacks([model])
        | StrOutputParser()
    )


def main() -> None:
    """Answer two questions of one user, the second one word by word."""
    phospho.init()
    handler = PhosphoCallbackHandler(version_id="2.1")
    assistant = make_assistant()
    config = {
        "callbacks": [handler],
        "metadata": {"session_id": phospho.new_session(), "user_id": "ann"},
    }
    print(assistant.invoke("Can I send it back?", config))
    for token in assistant.stream("Where?", config):
        print(token, end="", flush=True)
    print()
    phospho.flush()


if __name__ == "__main__":
    main()
