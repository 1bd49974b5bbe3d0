"""`phospho backup` and `phospho restore`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import click

from phospho.errors import ConfigurationError
from phospho_server import database as setting
from phospho_server.commands import database_option, json_option, phospho, show_json
from phospho_server.commands.progress import showing
from phospho_server.llm.sealing import key_file
from phospho_server.store.copying import copy_database, drafted, has_sealed
from phospho_server.store.restoring import restore as put_back

_FILE = click.Path(dir_okay=False, path_type=Path)


@phospho.command()
@click.argument("file", type=_FILE)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.option(
    "--with-key",
    is_flag=True,
    help="Copy the key that seals secrets, too, to FILE.key; who has both can read them.",
)
@json_option
@database_option
def backup(file: Path, database: str, *, force: bool, with_key: bool, as_json: bool) -> None:
    """Copy the database to FILE and check the copy, also while the server runs.

    FILE is the database as it was when this began, readable by its owner alone.
    """
    source = setting.file_of(database, "Use pg_dump to back it up: pg_dump -Fc -f FILE URL")
    if not source.is_file():
        raise ConfigurationError(f"There is no database {source}. Name it with --database.")
    _refuse_target(file, source, is_forced=force)
    key = key_file(source)
    size = source.stat().st_size
    with showing(f"Copying {source}", size) as on_progress:
        counts = copy_database(source, file, on_progress=on_progress)
    has_key = with_key and key.exists()
    if has_key:
        _copy_private(key, key_file(file))
    if as_json:
        key_name = str(key_file(file)) if has_key else None
        show_json({"file": str(file), "bytes": file.stat().st_size, "key": key_name, **counts})
        return
    click.echo(f"{file} has {_describe(counts)}, checked.")
    if not has_key and has_sealed(file):
        click.echo(
            f"Keys of LLMs and secrets of webhooks are sealed in it, with the key in {key}: keep a "
            "copy of that in another place, or add --with-key."
        )


@phospho.command()
@click.argument("file", type=_FILE)
@json_option
@database_option
def restore(file: Path, database: str, *, as_json: bool) -> None:
    """Put the backup FILE, once it is checked, in the place of the database.

    The server has to be stopped. What was there before stays beside it.
    """
    target = setting.file_of(
        database, "Use pg_restore to restore it: pg_restore --clean --if-exists -d URL FILE"
    )
    if not file.is_file():
        raise ConfigurationError(f"There is no backup {file}. Name another file.")
    if not target.parent.is_dir():
        raise ConfigurationError(
            f"The folder {target.parent} does not exist. Make it, or name another file with "
            "--database."
        )
    restored = put_back(file, target)
    key, own = key_file(file), key_file(target)
    has_key = key.exists()
    if has_key and not (own.exists() and own.read_bytes() == key.read_bytes()):
        if own.exists() and restored.replaced is not None:
            own.rename(key_file(restored.replaced))
        _copy_private(key, own)
    replaced = str(restored.replaced) if restored.replaced else None
    if as_json:
        show_json({"file": str(target), "replaced": replaced, **restored.counts})
        return
    click.echo(f"{target} has {_describe(restored.counts)} now, checked.")
    if replaced:
        click.echo(f"What was there before is {replaced}. Remove it when you need it no more.")
    if not own.exists() and has_sealed(target):
        click.echo(
            "There is no key beside it: keys of LLMs and secrets of webhooks have to be typed "
            f"again in Settings, unless you put back {own}."
        )


def _refuse_target(file: Path, source: Path, *, is_forced: bool) -> None:
    if not file.absolute().parent.is_dir():
        raise ConfigurationError(f"The folder {file.parent} does not exist. Make it first.")
    if file.exists() and file.samefile(source):
        raise ConfigurationError(f"{file} is the database itself. Name another file.")
    if file.exists() and not file.is_file():
        # A device, such as /dev/null, would make way for a file.
        raise ConfigurationError(f"{file} is no file. Name another one.")
    if file.exists() and not is_forced:
        raise ConfigurationError(f"{file} exists. Name another file, or add --force.")


def _copy_private(source: Path, target: Path) -> None:
    with drafted(target) as draft:
        shutil.copyfile(source, draft)


def _describe(counts: Mapping[str, int]) -> str:
    named = ("projects", "interactions", "sessions")
    return ", ".join(f"{counts.get(table, 0):,} {table}" for table in named)
