"""Apps as they would be anywhere: a library, its instrumentation, and OpenTelemetry's exporter.

Each runs in a process of its own, in an environment of its own (`make apps`), and nothing of
phospho is imported. It is told where the server and the vendor are, and goes through scenarios.
"""
