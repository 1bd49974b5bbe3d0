"""What every answer tells browsers to refuse, and cookies that fit the connection."""

from __future__ import annotations

from flask import Flask, Request, Response, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin

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
    "Cache-Control": "no-store",
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
    """The cookie of the pages, which travels encrypted wherever the page did.

    Programs have none, so that nothing is spent on reading and signing it.
    """

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return what the cookie of a request says."""
        if "HTTP_COOKIE" not in request.environ:
            return self.session_class()
        return super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Give a browser its cookie anew; a program, which has none, is left alone."""
        if session or session.accessed or session.modified:
            super().save_session(app, session, response)

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002 - as the base class says
        """Tell whether this request came over https, to us or to the proxy we trust."""
        return request.is_secure


def register(app: Flask) -> None:
    """Put the headers on every answer."""
    app.session_interface = Cookies()
    app.after_request(_add_headers)


def _add_headers(response: Response) -> Response:
    # Looked up once: `setdefault` walks through them, and raises, for each name.
    there = {name.lower() for name in response.headers.keys()}  # noqa: SIM118 - not a dict
    if request.endpoint == "static":
        there.add("cache-control")
    for name, value in _HEADERS.items():
        if name.lower() not in there:
            response.headers.add(name, value)
    if request.is_secure and "strict-transport-security" not in there:
        response.headers.add("Strict-Transport-Security", _HTTPS_ONLY)
    return response
