"""Projects and their API keys."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection, Sequence
from dataclasses import replace

from phospho_server.clock import new_id, now_ms
from phospho_server.errors import InvalidError, NotFoundError, UnauthorizedError
from phospho_server.store import Connection, in_list
from phospho_server.store.rows import ApiKey, Project

MAX_NAME = 100

# `last_used_at_ms` is written at most this often for a key: it must not cost a write a request.
KEY_USE_STEP_MS = 60_000

_KEY_COLUMNS = "id, project_id, name, prefix, created_at_ms, last_used_at_ms, revoked_at_ms"


def clean_name(name: str, *, what: str) -> str:
    """Return a name without surrounding space.

    Raises:
        InvalidError: The name is empty or longer than 100 characters.
    """
    cleaned = " ".join(name.split())
    if not cleaned:
        raise InvalidError(f"The {what} is empty. Give it a name.")
    if len(cleaned) > MAX_NAME:
        raise InvalidError(f"The {what} has {len(cleaned)} characters; use at most {MAX_NAME}.")
    return cleaned


def create_project(db: Connection, name: str, *, project_id: str | None = None) -> Project:
    """Make a project. Names need not be unique; ids are."""
    project = Project(
        project_id or new_id("proj_"), clean_name(name, what="project name"), now_ms()
    )
    db.execute("insert into projects values (:id, :name, :created_at_ms)", vars(project))
    return project


def list_projects(db: Connection) -> Sequence[Project]:
    """Return every project, oldest first."""
    rows = db.rows("select id, name, created_at_ms from projects order by created_at_ms, id")
    return [Project(**dict(row)) for row in rows]


def get_project(db: Connection, project_id: str) -> Project:
    """Return a project.

    Raises:
        NotFoundError: There is none with this id.
    """
    row = db.row("select id, name, created_at_ms from projects where id = :id", {"id": project_id})
    if row is None:
        raise no_such_project()
    return Project(**dict(row))


def no_such_project() -> NotFoundError:
    """Return the refusal of a project, the same whether there is none or it is not theirs."""
    return NotFoundError(
        "There is no project with this id. Its id stands in Settings; "
        "`phospho projects list` shows them all."
    )


def rename_project(db: Connection, project_id: str, name: str) -> Project:
    """Give a project another name; its id stays."""
    renamed = replace(get_project(db, project_id), name=clean_name(name, what="project name"))
    db.execute("update projects set name = :name where id = :id", vars(renamed))
    return renamed


def create_key(db: Connection, project_id: str, name: str) -> tuple[ApiKey, str]:
    """Make an API key; return it with its secret, which is kept nowhere."""
    get_project(db, project_id)
    secret = "ph_" + secrets.token_urlsafe(32)
    key = ApiKey(
        id=new_id("key_"),
        project_id=project_id,
        name=clean_name(name, what="key's name"),
        prefix=secret[:9],
        created_at_ms=now_ms(),
        last_used_at_ms=None,
        revoked_at_ms=None,
    )
    db.execute(
        f"insert into api_keys ({_KEY_COLUMNS}, key_hash) values (:id, :project_id, :name, "
        ":prefix, :created_at_ms, :last_used_at_ms, :revoked_at_ms, :key_hash)",
        {**vars(key), "key_hash": hash_secret(secret)},
    )
    return key, secret


def list_keys(db: Connection, project_id: str) -> Sequence[ApiKey]:
    """Return a project's keys, newest first, the revoked ones included."""
    get_project(db, project_id)
    rows = db.rows(
        f"select {_KEY_COLUMNS} from api_keys where project_id = :project_id "
        "order by created_at_ms desc, id desc",
        {"project_id": project_id},
    )
    return [ApiKey(**dict(row)) for row in rows]


def revoke_key(db: Connection, key_id: str, *, project_id: str | None = None) -> ApiKey:
    """Make a key useless, at once and for good, and return it.

    Raises:
        NotFoundError: There is no such key, or not in this project.
    """
    changed = db.execute(
        "update api_keys set revoked_at_ms = coalesce(revoked_at_ms, :now) where id = :id "
        "and project_id = coalesce(:project_id, project_id)",
        {"id": key_id, "project_id": project_id, "now": now_ms()},
    )
    if not changed:
        raise NotFoundError(
            "There is no API key with this id. `phospho keys list PROJECT_ID` shows them."
        )
    row = db.row(f"select {_KEY_COLUMNS} from api_keys where id = :id", {"id": key_id})
    assert row is not None  # noqa: S101 - changed above, in the same transaction
    return ApiKey(**dict(row))


def find_key(db: Connection, secret: str) -> ApiKey | None:
    """Return the key that is not revoked and has this secret, or None."""
    key_hash = hash_secret(secret)
    row = db.row(
        f"select {_KEY_COLUMNS}, key_hash from api_keys "
        "where key_hash = :key_hash and revoked_at_ms is null",
        {"key_hash": key_hash},
    )
    if row is None:
        return None
    columns = dict(row)
    # The index finds a hash of 256 random bits; how it compares them is not ours to say.
    is_same = hmac.compare_digest(columns.pop("key_hash"), key_hash)
    return ApiKey(**columns) if is_same else None


def require_keys(db: Connection, key_ids: Collection[str]) -> None:
    """Refuse what is asked for with a key that is not good any more.

    Raises:
        UnauthorizedError: One of the keys was revoked or deleted.
    """
    text, params = in_list("k", sorted(key_ids))
    row = db.row(
        f"select count(*) as n from api_keys where id {text} and revoked_at_ms is null", params
    )
    if row is None or row["n"] < len(key_ids):
        raise no_such_key()


def no_such_key() -> UnauthorizedError:
    """Return what to raise for a key that is not good."""
    return UnauthorizedError(
        "This API key is unknown or revoked. Make another in Settings or with "
        "`phospho keys create PROJECT_ID`."
    )


def is_used_lately(key: ApiKey) -> bool:
    """Tell whether it is noted already that a key is used at this time."""
    return key.last_used_at_ms is not None and now_ms() - key.last_used_at_ms <= KEY_USE_STEP_MS


def touch_key(db: Connection, key_id: str) -> None:
    """Note that a key was used now."""
    db.execute(
        "update api_keys set last_used_at_ms = :now where id = :id", {"id": key_id, "now": now_ms()}
    )


def hash_secret(secret: str) -> str:
    """Return the SHA-256 of a secret of 256 random bits, hexadecimal."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
