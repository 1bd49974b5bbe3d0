"""Integrations make other libraries log by themselves; one module a library, none imported here."""
