"""What `docs/accounts.md` says in numbers, and of commands, is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from phospho_server.clock import DAY_MS
from phospho_server.commands import accounts
from phospho_server.passwords import MAX_CHARS, MIN_CHARS
from phospho_server.store import invitations, sign_ins
from phospho_server.store.memberships import ROLES
from phospho_server.trying import MOST, WINDOW_S

PAGE = (Path(__file__).parents[2] / "docs" / "accounts.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())


def test_the_page_lists_the_commands_there_are() -> None:
    listed = set(re.findall(r"^\| `phospho accounts (\w+)", PAGE, re.MULTILINE))
    assert listed == set(accounts.accounts.commands)


def test_the_page_names_the_roles_there_are() -> None:
    assert f"| | {' | '.join(ROLES)} |" in PAGE


@pytest.mark.parametrize(
    "says",
    [
        f"{MIN_CHARS} to {MAX_CHARS} characters",
        f"after {sign_ins.IDLE_LIFE_MS // DAY_MS} days without use",
        f"after {sign_ins.SIGN_IN_LIFE_MS // DAY_MS} days in any case",
        {10: "Ten"}[MOST] + " tries a minute",
        {7: "seven"}[invitations.LIFE_MS // DAY_MS] + " days",
    ],
)
def test_the_numbers_of_the_page_are_those_of_the_code(says: str) -> None:
    assert WINDOW_S == 60
    assert says in TEXT
