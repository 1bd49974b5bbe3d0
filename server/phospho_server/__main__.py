"""`python -m phospho_server` is the `phospho` command."""

from phospho_server.cli import main

main()
