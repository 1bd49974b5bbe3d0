"""Settings: argument, then environment, then default, each documented once."""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phospho.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path
    from urllib.parse import SplitResult

DEFAULT_BASE_URL = "http://127.0.0.1:8000"

# Longer would only delay what people look for on the dashboard.
MAX_TICK_S = 3600.0

_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True)
class Settings:
    """What one client runs with.

    Args:
        api_key: Sent as a bearer token (`PHOSPHO_API_KEY`).
        project_id: The project the key belongs to (`PHOSPHO_PROJECT_ID`).
        base_url: Where the server answers, without a trailing slash (`PHOSPHO_BASE_URL`).
        version_id: The release of the app; None where it is not told (`PHOSPHO_VERSION_ID`).
        tick_s: How long the sender waits for more before it sends a batch that is not full.
        sample_rate: The share of sessions that are sent, 0 to 1 (`PHOSPHO_SAMPLE_RATE`).
        is_disabled: Whether records are made and returned but never sent (`PHOSPHO_DISABLED`).
        spool_dir: The folder that keeps what is logged until it is sent; None for memory
            (`PHOSPHO_SPOOL_DIR`).
        spool_fsync: Whether each record is forced onto the disk (`PHOSPHO_SPOOL_FSYNC`).
    """

    api_key: str = field(default="", repr=False)
    project_id: str = ""
    base_url: str = DEFAULT_BASE_URL
    version_id: str | None = None
    tick_s: float = 0.5
    sample_rate: float = 1.0
    is_disabled: bool = False
    spool_dir: Path | None = None
    spool_fsync: bool = False


def read_settings(
    api_key: str | None = None,
    project_id: str | None = None,
    *,
    base_url: str | None = None,
    version_id: str | None = None,
    tick: float = 0.5,
    sample_rate: float | None = None,
    spool_dir: str | os.PathLike[str] | None = None,
    spool_fsync: bool | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Return the settings, each from its argument, its variable, or its default.

    Args:
        api_key: The key, or None to read the environment; likewise for all others.
        project_id: The project's id.
        base_url: The server's URL.
        version_id: The release of the app.
        tick: Seconds.
        sample_rate: 0 to 1; None reads the environment.
        spool_dir: A folder; made when it is first needed.
        spool_fsync: True or False; None reads the environment.
        environ: Where the variables are read.

    Raises:
        ConfigurationError: When one is missing or unusable; the message names both the argument
            and the variable.
    """
    is_disabled = _read_switch("PHOSPHO_DISABLED", environ)
    version_id = version_id or environ.get("PHOSPHO_VERSION_ID") or None
    if version_id is not None and not isinstance(version_id, str):
        raise _refusal("version_id", "PHOSPHO_VERSION_ID", "must be a text", version_id)
    return Settings(
        api_key=_read_key(api_key, environ, is_needed=not is_disabled),
        project_id=_read_project(project_id, environ, is_needed=not is_disabled),
        base_url=_read_base_url(base_url or environ.get("PHOSPHO_BASE_URL") or DEFAULT_BASE_URL),
        version_id=version_id,
        tick_s=_read_tick(tick),
        sample_rate=_read_sample_rate(sample_rate, environ),
        is_disabled=is_disabled,
        spool_dir=_read_spool_dir(spool_dir or environ.get("PHOSPHO_SPOOL_DIR") or None),
        spool_fsync=_read_switch("PHOSPHO_SPOOL_FSYNC", environ)
        if spool_fsync is None
        else bool(spool_fsync),
    )


def _refusal(
    argument: str, variable: str | None, problem: str, value: object
) -> ConfigurationError:
    name = f"{argument} ({variable})" if variable else argument
    return ConfigurationError(
        f"{name} {problem}, not {value!r}. Pass {argument}= to phospho.init"
        + (f", or set {variable}." if variable else ".")
    )


def _missing(argument: str, variable: str, where: str) -> ConfigurationError:
    return ConfigurationError(
        f"phospho needs {argument}: pass {argument}= to phospho.init, or set {variable}. "
        f"{where} PHOSPHO_DISABLED=1 turns phospho off."
    )


def _read_key(given: str | None, environ: Mapping[str, str], *, is_needed: bool) -> str:
    key = given or environ.get("PHOSPHO_API_KEY") or ""
    if isinstance(key, str):
        key = key.strip()
        if not key and is_needed:
            raise _missing(
                "api_key", "PHOSPHO_API_KEY", "`phospho serve` prints one, Settings makes more."
            )
        if key.isascii() and (key.isprintable() and " " not in key):
            return key
    # The value itself is a secret: it is not shown.
    raise ConfigurationError(
        "api_key (PHOSPHO_API_KEY) must be a text of visible ASCII characters. Copy the key again, "
        "from Settings or from what `phospho serve` printed."
    )


def _read_project(given: str | None, environ: Mapping[str, str], *, is_needed: bool) -> str:
    project_id = given or environ.get("PHOSPHO_PROJECT_ID") or ""
    if not isinstance(project_id, str) or not project_id.strip().isprintable():
        raise _refusal("project_id", "PHOSPHO_PROJECT_ID", "must be a text", project_id)
    project_id = project_id.strip()
    if not project_id and is_needed:
        raise _missing("project_id", "PHOSPHO_PROJECT_ID", "Settings on the dashboard shows it.")
    return project_id


def _read_base_url(value: str) -> str:
    from urllib.parse import urlsplit

    example = "must be like http://127.0.0.1:8000 or https://phospho.example.com/path"
    try:
        url = urlsplit(value.strip())
        is_usable = (
            url.scheme in {"http", "https"}
            and bool(url.hostname)
            and url.port != 0
            and not (url.query or url.fragment or url.username or url.password)
            and value.strip().isprintable()
            and " " not in value.strip()
        )
        if is_usable:
            return _in_ascii(url).rstrip("/")
    except (ValueError, AttributeError, TypeError):
        pass
    raise _refusal("base_url", "PHOSPHO_BASE_URL", example, value)


def _in_ascii(url: SplitResult) -> str:
    """Return the URL as it goes over the wire: names of other scripts have a spelling in ASCII."""
    if url.geturl().isascii():
        return url.geturl()
    from urllib.parse import quote

    host = (url.hostname or "").encode("idna").decode()
    port = f":{url.port}" if url.port else ""
    return f"{url.scheme}://{host}{port}{quote(url.path, safe='/%')}"


def _read_tick(tick: float) -> float:
    if not _is_number(tick) or not 0 <= tick <= MAX_TICK_S:
        raise _refusal("tick", None, f"must be seconds from 0 to {MAX_TICK_S:.0f}", tick)
    return float(tick)


def _read_sample_rate(given: float | None, environ: Mapping[str, str]) -> float:
    value: object = given if given is not None else environ.get("PHOSPHO_SAMPLE_RATE") or 1.0
    rate = value
    if isinstance(rate, str):
        try:
            rate = float(rate)
        except ValueError:
            rate = None
    if not _is_number(rate) or not 0 <= rate <= 1:  # type: ignore[operator]
        raise _refusal("sample_rate", "PHOSPHO_SAMPLE_RATE", "must be from 0 to 1", value)
    return float(rate)  # type: ignore[arg-type]


def _read_spool_dir(value: Any) -> Path | None:
    if value is None:
        return None
    from pathlib import Path

    try:
        # Made whole now: the app may change its working folder later.
        folder = Path(os.fsdecode(value)).expanduser().absolute()
        is_usable = "\0" not in str(folder) and (folder.is_dir() or not folder.exists())
    except (TypeError, ValueError, RuntimeError, OSError):
        is_usable = False
    if not is_usable:
        raise _refusal("spool_dir", "PHOSPHO_SPOOL_DIR", "must be the path of a folder", value)
    if importlib.util.find_spec("fcntl") is None:
        raise ConfigurationError(
            "spool_dir (PHOSPHO_SPOOL_DIR) needs the file locks of Linux, macOS or another Unix. "
            "Leave it out here; what is logged is then kept in memory until the server has it."
        )
    return folder


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _read_switch(variable: str, environ: Mapping[str, str]) -> bool:
    value = environ.get(variable, "").strip().lower()
    if value not in _YES | _NO:
        raise ConfigurationError(f"{variable} must be 1 or 0, not {value!r}. Set it, or unset it.")
    return value in _YES
