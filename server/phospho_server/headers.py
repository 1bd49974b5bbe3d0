"""What every answer tells browsers to refuse, and cookies that fit the connection."""

from __future__ import annotations

from flask import Flask, Response, request
from flask.sessions import SecureCookieSessionInterface

# What is not named is refused: no frames, fonts, media, workers or plugins, nothing inline.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_UNUSED = (
    "accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer",
    "microphone", "midi", "payment", "publickey-credentials-get", "usb", "xr-spatial-tracking",
)  # fmt: skip

_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in _UNUSED),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

# A year. Only for the host itself: its neighbours may not have a certificate.
_HTTPS_ONLY = "max-age=31536000"


class Cookies(SecureCookieSessionInterface):
    """The cookie of the pages, which travels encrypted wherever the page did."""

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002 - as the base class says
        """Tell whether this request came over https, to us or to the proxy we trust."""
        return request.is_secure


def register(app: Flask) -> None:
    """Put the headers on every answer."""
    app.session_interface = Cookies()
    app.after_request(_add_headers)


def _add_headers(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", _HTTPS_ONLY)
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response
