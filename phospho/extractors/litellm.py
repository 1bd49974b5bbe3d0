"""Read text out of LiteLLM's answers and their chunks, which are in OpenAI's format.

Source: litellm 1.106, types/utils.py (ModelResponse, ModelResponseStream, TextCompletionResponse).
Thoughts (`reasoning_content`, `thinking_blocks`) and `_hidden_params` are left out.
"""

from phospho.extractors.openai import Chunks, phospho_extract_output

__all__ = ["Chunks", "phospho_extract_output"]
