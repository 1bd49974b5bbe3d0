"""Extractors turn an object into text and facts; one module per source.

They know a value by its shape and import nobody's SDK.
"""
