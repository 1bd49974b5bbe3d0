"""The server's JSON API as Python sees it: the values it answers with, and calls that read them.

The server makes its answers out of the same values, so the two cannot disagree.
"""
