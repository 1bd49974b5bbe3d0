"""Accounts with roles in projects, invitations, and the log of administrative acts."""

from __future__ import annotations

from sqlite_utils import Database

from phospho_server.migrations.steps import migrations, run

_ACCOUNTS = """
create table accounts (
    id text primary key,
    email text not null unique,         -- in lower case
    password_hash text not null,        -- argon2id, with its salt and costs
    is_owner integer not null,          -- 1: of the server, and so of every project
    created_at_ms integer not null
) strict;

create table memberships (
    project_id text not null references projects (id) on delete cascade,
    account_id text not null references accounts (id) on delete cascade,
    role text not null,                 -- owner, editor or viewer
    created_at_ms integer not null,
    primary key (project_id, account_id)
) strict, without rowid;
create index memberships_by_account on memberships (account_id, project_id);

create table invitations (
    id text primary key,
    project_id text not null references projects (id) on delete cascade,
    token_hash text not null unique,    -- SHA-256 of the token in the link, hexadecimal
    role text not null,
    invited_by text not null,           -- as `audit_log.who`
    created_at_ms integer not null,
    expires_at_ms integer not null,
    used_at_ms integer
) strict;
create index invitations_by_project on invitations (project_id, created_at_ms);

-- Null: signed in by a one-time link, as the owner of the server.
alter table sign_ins add column account_id text references accounts (id) on delete cascade;
alter table sign_ins add column last_seen_at_ms integer not null default 0;
-- What the browser says of itself, and where it is, so that people recognise their sign-ins.
alter table sign_ins add column agent text not null default '';
alter table sign_ins add column address text not null default '';
update sign_ins set last_seen_at_ms = created_at_ms;
create index sign_ins_by_account on sign_ins (account_id);

create table audit_log (
    id text primary key,                -- what was noted later sorts later
    project_id text,                    -- null: about accounts or the whole server
    who text not null,                  -- an account's e-mail, or how else somebody got in
    action text not null,
    what text not null,                 -- never a secret
    at_ms integer not null
) strict;
create index audit_log_by_project on audit_log (project_id, id);
"""


@migrations()
def m010_accounts(db: Database) -> None:
    """Accounts with roles in projects, invitations, and the log of administrative acts."""
    run(db, _ACCOUNTS)
