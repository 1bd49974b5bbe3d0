"""The LLM judge in the server: which one a project asks, its worker, its costs."""
