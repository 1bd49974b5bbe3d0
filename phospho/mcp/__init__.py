"""An MCP server: agents read a project, and define events where that is allowed.

It is a client of a phospho server, as an app is, and runs beside the agent: `phospho mcp`.
"""
