"""Settings of plugins' detectors, given on the command line."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner, Result

from phospho_server.commands import phospho
from phospho_server.store.definitions import list_enabled
from phospho_server.store.rows import Project
from phospho_server.store.sqlite import SqliteStore
from tests.server.databases import address_of


def create(store: SqliteStore, project: Project, *settings: str) -> Result:
    options = [word for setting in settings for word in ("--setting", setting)]
    arguments = ["events", "create", project.id, "refund", "The user said 'refund'", *options]
    return CliRunner().invoke(phospho, [*arguments, "--database", address_of(store)])


def test_settings_are_json_or_text(store: SqliteStore, project: Project) -> None:
    result = create(store, project, "least=0.5", "words=[1, 2]", "tone=rude", "a=b=c")
    assert result.exit_code == 0, result.output
    with store.read() as db:
        (definition,) = list_enabled(db, project.id)
    settings: dict[str, Any] = {"least": 0.5, "words": [1, 2], "tone": "rude", "a": "b=c"}
    assert definition.settings == settings


@pytest.mark.parametrize("setting", ["least", "=1"])
def test_a_setting_without_name_or_value_is_refused(
    store: SqliteStore, project: Project, setting: str
) -> None:
    result = create(store, project, setting)
    assert result.exit_code == 1
    assert "Write it as NAME=VALUE." in result.output
