from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from phospho.config import DEFAULT_BASE_URL, read_settings
from phospho.errors import ConfigurationError

KEYS = {"PHOSPHO_API_KEY": "env-key", "PHOSPHO_PROJECT_ID": "env-project"}


def test_settings_come_from_the_argument_then_the_environment_then_the_default() -> None:
    environ = {**KEYS, "PHOSPHO_BASE_URL": "http://host:1/", "PHOSPHO_VERSION_ID": "v1"}
    settings = read_settings("key", environ=environ)
    assert (settings.api_key, settings.project_id) == ("key", "env-project")
    assert (settings.base_url, settings.version_id) == ("http://host:1", "v1")
    assert read_settings(environ=KEYS).base_url == DEFAULT_BASE_URL


def test_a_url_in_another_script_is_spelled_in_ascii() -> None:
    settings = read_settings(base_url="https://phósphó.example:8443/für/", environ=KEYS)
    assert settings.base_url == "https://xn--phsph-1tad.example:8443/f%C3%BCr"


def test_the_key_is_not_shown_by_the_settings() -> None:
    assert "env-key" not in repr(read_settings(environ=KEYS))


@pytest.mark.parametrize(
    ("arguments", "environ", "names"),
    [
        pytest.param({}, {}, ["api_key", "PHOSPHO_API_KEY"], id="no-key"),
        pytest.param({"api_key": "k"}, {}, ["project_id", "PHOSPHO_PROJECT_ID"], id="no-project"),
        pytest.param({"api_key": "k\nX: y"}, KEYS, ["api_key", "PHOSPHO_API_KEY"], id="key-lines"),
        pytest.param({"api_key": 7}, KEYS, ["api_key"], id="key-number"),
        pytest.param({"project_id": 7}, KEYS, ["project_id"], id="project-number"),
        pytest.param({"version_id": 7}, KEYS, ["version_id"], id="version-number"),
        pytest.param({"base_url": "127.0.0.1:8000"}, KEYS, ["base_url"], id="url-no-scheme"),
        pytest.param({"base_url": "ftp://host"}, KEYS, ["base_url"], id="url-scheme"),
        pytest.param({"base_url": "http://"}, KEYS, ["base_url"], id="url-no-host"),
        pytest.param({"base_url": "http://u:p@host"}, KEYS, ["base_url"], id="url-user"),
        pytest.param({"base_url": "http://host:99999"}, KEYS, ["base_url"], id="url-port"),
        pytest.param({"base_url": "http://host?a=b"}, KEYS, ["base_url"], id="url-query"),
        pytest.param({"base_url": 8000}, KEYS, ["base_url"], id="url-number"),
        pytest.param({"tick": -1}, KEYS, ["tick"], id="tick-negative"),
        pytest.param({"tick": math.nan}, KEYS, ["tick"], id="tick-nan"),
        pytest.param({"tick": "1"}, KEYS, ["tick"], id="tick-text"),
        pytest.param({"sample_rate": 1.5}, KEYS, ["sample_rate"], id="rate-high"),
        pytest.param({"sample_rate": True}, KEYS, ["sample_rate"], id="rate-bool"),
        pytest.param(
            {}, {**KEYS, "PHOSPHO_SAMPLE_RATE": "half"}, ["PHOSPHO_SAMPLE_RATE"], id="rate-word"
        ),
        pytest.param(
            {}, {**KEYS, "PHOSPHO_DISABLED": "maybe"}, ["PHOSPHO_DISABLED"], id="disabled-maybe"
        ),
    ],
)
def test_an_unusable_setting_is_refused_by_name(
    arguments: dict[str, Any], environ: dict[str, str], names: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        read_settings(**arguments, environ=environ)
    assert all(name in str(refusal.value) for name in names)
    assert "X: y" not in str(refusal.value)


def test_the_spool_is_set_by_argument_or_variable(tmp_path: Path) -> None:
    environ = {**KEYS, "PHOSPHO_SPOOL_DIR": str(tmp_path), "PHOSPHO_SPOOL_FSYNC": "1"}
    settings = read_settings(environ=environ)
    assert (settings.spool_dir, settings.spool_fsync) == (tmp_path, True)
    settings = read_settings(spool_dir=tmp_path / "a", spool_fsync=False, environ=environ)
    assert (settings.spool_dir, settings.spool_fsync) == (tmp_path / "a", False)
    assert read_settings(environ=KEYS).spool_dir is None


@pytest.mark.parametrize(("word", "is_disabled"), [("1", True), ("TRUE", True), ("0", False)])
def test_phospho_disabled_needs_no_key(word: str, is_disabled: bool) -> None:
    settings = read_settings(environ={**KEYS, "PHOSPHO_DISABLED": word})
    assert settings.is_disabled is is_disabled
    assert read_settings(environ={"PHOSPHO_DISABLED": "1"}).api_key == ""


def test_the_sample_rate_is_read_from_the_environment() -> None:
    assert read_settings(environ={**KEYS, "PHOSPHO_SAMPLE_RATE": "0.25"}).sample_rate == 0.25
