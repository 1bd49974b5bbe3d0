"""Every error phospho raises on purpose.

    PhosphoError
    ├── ConfigurationError (ValueError)       a setting is missing or wrong
    ├── MissingDependencyError (ImportError)  an optional package is not installed
    ├── PluginError                           a plugin was refused at start-up
    ├── DefinitionError (ValueError)          an event definition cannot be used
    ├── ApiError                              the server did not do what a client asked of it
    │   ├── InvalidRequestError (ValueError)  it cannot be meant, as a filter without a value
    │   ├── AccessRefusedError                the API key is unknown, or of another project
    │   ├── NotFoundError                     what was named is not there
    │   ├── ConflictError                     a name is taken, or somebody was faster
    │   ├── ServerAwayError                   it cannot be reached, is busy, or its disk is full
    │   └── AnswerError                       what answers is no phospho server, or another one
    └── DetectorError                         a detector could not give its verdicts
        ├── DetectorCrashError                it raised, or answered with junk
        └── LlmError                          the LLM gave no answer that can be used
            ├── LlmUnusableError              it answered, and not what was asked
            ├── LlmPausedError                its key, bill or model has to be looked at
            └── BudgetSpentError              its budget of the day is spent

`phospho.init`, the server's commands, and what a `phospho.Client` reads raise these; `phospho.log`
never does.
"""

from __future__ import annotations


class PhosphoError(Exception):
    """Base of every error phospho raises on purpose; its message says what to do next."""


class ConfigurationError(PhosphoError, ValueError):
    """A setting is missing or wrong."""


class MissingDependencyError(PhosphoError, ImportError):
    """An optional package is needed and not installed.

    Args:
        package: The package as it is called on PyPI.
        extra: The extra of phospho that brings it.
    """

    def __init__(self, package: str, *, extra: str) -> None:
        super().__init__(
            f"This needs {package}. Install it with: pip install 'phospho[{extra}]'", name=package
        )
        self.package = package
        self.extra = extra


class PluginError(PhosphoError):
    """A plugin was refused: a misspelt hook, a wrong argument name, or a name used twice."""


class DefinitionError(PhosphoError, ValueError):
    """An event definition cannot be used as it is, for example because its pattern is invalid."""


class ApiError(PhosphoError):
    """The server did not do what a client asked of it; the message is the server's own.

    Args:
        status: The HTTP status of its answer; None where there was none.
        code: The server's word for it, as in `not_found`; empty where it gave none.
    """

    def __init__(self, message: str, *, status: int | None = None, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class InvalidRequestError(ApiError, ValueError):
    """What was asked cannot be meant, as a filter without a value or an event that is not there."""


class AccessRefusedError(ApiError):
    """The API key is unknown, revoked, or of another project."""


class NotFoundError(ApiError):
    """What was named is not there, or not in this project."""


class ConflictError(ApiError):
    """A name is taken, or somebody has changed the same thing meanwhile."""


class ServerAwayError(ApiError):
    """The server cannot be reached, is too busy, or its disk is full: later it may answer."""


class AnswerError(ApiError):
    """What answers is no phospho server, or one of another version."""


class DetectorError(PhosphoError):
    """A detector could not give its verdicts; the message becomes the reason shown in Settings."""


class DetectorCrashError(DetectorError):
    """A detector raised something of its own, or its answer could not be used.

    One interaction of the batch may be the cause, so it is worth trying the others without it.
    """


class LlmError(DetectorError):
    """The LLM judge gave no answer: it could not be reached, or is overloaded."""


class LlmUnusableError(LlmError):
    """The LLM judge answered, and not what was asked; others of the batch may fare better."""


class LlmPausedError(LlmError):
    """The LLM judge refuses every call until a person looks at its key, bill, model or address."""


class BudgetSpentError(LlmError):
    """The budget of the LLM judge does not allow another call today."""
