"""The `llm` detector: asks a model behind any OpenAI-compatible endpoint, once an interaction.

One idea a file: which verdicts are asked about (`band`), what is asked (`prompt`), what came back
(`answer`), whether its quotes are true (`quotes`), what its confidence is worth (`confidence`),
what in a text speaks to the judge (`addressed`), one call (`client`), its tries and ways of
answering (`calling`), how fast (`limits`), for how much (`cost`), what is remembered (`ledger`),
all of it about one turn (`judge`) and about many (`asking`), and the detector (`detector`).

Importing this package loads neither `openai` nor pydantic.
"""
