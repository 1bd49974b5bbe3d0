"""The grammar of descriptions: reads which condition on wording a sentence in English states."""
