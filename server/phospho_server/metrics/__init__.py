"""What the server counts and measures of itself, for Prometheus.

`instruments.py` counts as things happen, `process.py` and `gathering.py` read how things are when
somebody asks, `exposition.py` writes both. The format is small and stands still, so that it is
written here: the official client would bring an HTTP server, and slow down every start.
"""
