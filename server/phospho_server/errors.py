"""What can go wrong in the server, with the HTTP status each becomes.

PhosphoError
└── ServerError
    ├── BadRequestError (400)       the request cannot be read
    ├── UnauthorizedError (401)     no API key, or one that is unknown or revoked
    ├── ForbiddenError (403)        the key belongs to another project, or a role is too small
    ├── NotFoundError (404)         the thing named does not exist
    ├── ConflictError (409)         a name is taken
    ├── TooLargeError (413)         a limit is exceeded
    ├── UnsupportedError (415)      the body is encoded in a way that is not known
    ├── InvalidError (422)          a value cannot be accepted
    ├── TooManyTriesError (429)     a password was tried too often
    ├── BusyError (503)             the database is locked; try again
    └── StorageFullError (507)      the disk is full; try again later
"""

from __future__ import annotations

from phospho.errors import PhosphoError


class ServerError(PhosphoError):
    """Base of the server's errors; the message is shown to the caller."""

    status = 500
    code = "error"


class BadRequestError(ServerError):
    """The request cannot be read."""

    status = 400
    code = "bad_request"


class UnauthorizedError(ServerError):
    """No API key was sent, or one that is unknown or revoked."""

    status = 401
    code = "unauthorized"


class ForbiddenError(ServerError):
    """The API key belongs to another project, or somebody's role may do less."""

    status = 403
    code = "forbidden"


class NotFoundError(ServerError):
    """The thing named does not exist, or not in this project."""

    status = 404
    code = "not_found"


class ConflictError(ServerError):
    """The name is taken."""

    status = 409
    code = "conflict"


class ChangedMeanwhileError(ConflictError):
    """Somebody else has changed what is edited since it was opened."""


class TooLargeError(ServerError):
    """A limit is exceeded; the message names it."""

    status = 413
    code = "too_large"


class UnsupportedError(ServerError):
    """The body is encoded in a way that is not known."""

    status = 415
    code = "unsupported"


class InvalidError(ServerError):
    """A value cannot be accepted; the message says which and why."""

    status = 422
    code = "invalid"


class TooManyTriesError(ServerError):
    """A password was tried too often.

    Args:
        wait_s: In how many seconds it may be tried again.
    """

    status = 429
    code = "too_many_tries"

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"That was tried too often. Try again in {wait_s} seconds.")
        self.wait_s = wait_s


class BusyError(ServerError):
    """The database is locked by another program; the same call may succeed later."""

    status = 503
    code = "busy"


class StorageFullError(ServerError):
    """The disk is full; nothing of this change was stored."""

    status = 507
    code = "storage_full"
