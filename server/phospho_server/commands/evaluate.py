"""`phospho evaluate`: score detectors against labels."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from phospho.detectors.registry import load_detectors
from phospho.plugins import Plugins
from phospho_server.commands import json_option, phospho, show_json
from phospho_server.evaluating.as_json import to_json
from phospho_server.evaluating.predictions import look_up, read_predictions
from phospho_server.evaluating.refitting import make_detectors
from phospho_server.evaluating.report import make_report
from phospho_server.evaluating.running import DetectorsFor, Run, leave_one_out, run_settings
from phospho_server.evaluating.showing import show
from phospho_server.evaluating.suites import Suite, read_suites
