"""The tools that change what is looked for; an agent has them only where that was allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phospho.mcp import inputs, shown

if TYPE_CHECKING:
    from phospho import Client


class Changing:
    """What an agent may change in a project; each method that `TOOLS` names is a tool.

    Args:
        client: Changes the project.
    """

    TOOLS = ("define_event", "edit_event")

    def __init__(self, client: Client) -> None:
        self._client = client

    def define_event(
        self,
        name: inputs.Name,
        description: inputs.Description,
        keywords: inputs.Keywords = None,
        pattern: inputs.Pattern = None,
        scope: inputs.SomeScope = None,
        answer: inputs.SomeAnswer = None,
        categories: inputs.Categories = None,
    ) -> shown.Definition:
        """Define an event to look for in all interactions, those of the past included.

        Try it out with `preview_event_definition` first.
        """
        fields = {
            "keywords": keywords,
            "pattern": pattern,
            "scope": scope,
            "answer": answer,
            "categories": categories,
        }
        return shown.definition(self._client.define(name, description, **inputs.given(fields)))

    def edit_event(
        self,
        definition_id: inputs.DefinitionId,
        version: inputs.SeenVersion,
        name: inputs.SomeName = None,
        description: inputs.SomeDescription = None,
        keywords: inputs.Keywords = None,
        pattern: inputs.Pattern = None,
        scope: inputs.SomeScope = None,
        answer: inputs.SomeAnswer = None,
        categories: inputs.Categories = None,
        enabled: inputs.Enabled = None,
    ) -> shown.Definition:
        """Change an event definition; what is left out stays, an empty pattern takes it away.

        All interactions are then looked at again. People can restore each earlier version.
        """
        changes = inputs.given(
            {
                "name": name,
                "description": description,
                "keywords": keywords,
                "scope": scope,
                "answer": answer,
                "categories": categories,
                "enabled": enabled,
            }
        )
        if pattern is not None:
            changes["pattern"] = pattern or None
        return shown.definition(
            self._client.edit_definition(definition_id, version=version, **changes)
        )
