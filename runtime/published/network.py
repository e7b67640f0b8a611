"""One answer of a web server: over http and https alone, by the environment's proxies, or an error with the reason."""

from __future__ import annotations

import http.client
import queue
import ssl
import string
import threading
from collections.abc import Mapping
from typing import Any
from urllib.error import URLError
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, UnknownHandler

from cmt_dsl import __version__
from cmt_dsl.draw.units import plain

REDIRECTS = (301, 302, 303, 307, 308)
MOST = 10
"""Redirects in a row."""
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""What a server answers when it may answer otherwise a little later."""


class Refused(Exception):
    """The answer is no, and would be again."""

    def __init__(self, reason: str):
        super().__init__(plain(reason))  # a server's own words may hold anything


class Passing(Refused):
    """It did not work, and may the next time; `wait` seconds from now, where the server says so."""

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait


def ask(url: str, headers: Mapping[str, str], seconds: float) -> Any:
    """The open answer (200, 206 or 416) to a GET, redirects followed; raises Refused or Passing.

    No wait for the server is longer than `seconds`, name lookup, connection and headers together no longer than twice.
    """
    for _ in range(MOST + 1):
        answer = _in_time(url, headers, seconds)
        status = answer.status
        if status in (200, 206, 416):
            return answer
        answer.close()  # unread: what comes with a redirect or an error may be endless
        if status not in REDIRECTS:
            raise _no(status, answer.reason, answer.headers.get("Retry-After", ""))
        url = _next(url, answer.headers.get("Location"))
    raise Refused(f"it redirects more than {MOST} times, at last to {url}")


def _no(status: int, reason: str, after: str) -> Exception:
    said = f"the server answers {status} {reason}".rstrip()
    if status in PASSING:
        return Passing(said, min(float(after), 60.0) if after.isdecimal() else None)
    return Refused(said)


def _next(url: str, location: str | None) -> str:
    """Where a redirect leads; never to a file, nor from https to http."""
    if not location:
        raise Refused("it redirects without saying where to")
    try:
        target = quote(urljoin(url, location), safe=string.punctuation)
        scheme = urlsplit(target).scheme
    except ValueError:
        raise Refused(f"it redirects to {location[:200]!r}, which is no address") from None
    if scheme not in ("http", "https"):
        raise Refused(f"it redirects to {target[:200]}, which is neither http nor https")
    if urlsplit(url).scheme == "https" and scheme == "http":
        raise Refused(f"it redirects from https to {target[:200]}, which anyone on the way could change")
    return target


def _in_time(url: str, headers: Mapping[str, str], seconds: float) -> Any:
    """`_open` in a thread of its own, because looking up a name, or headers that come letter by letter, know no limit."""
    found: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def work() -> None:
        try:
            found.put(_open(url, headers, seconds))
        except BaseException as error:  # goes on in the thread that asked
            found.put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        answer = found.get(timeout=2 * seconds)
    except queue.Empty:
        raise Passing(f"no answer within {2 * seconds:g} s") from None
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _open(url: str, headers: Mapping[str, str], seconds: float) -> Any:
    opener = OpenerDirector()  # with no handler for files, ftp or redirects
    for handler in (ProxyHandler(), UnknownHandler(), HTTPHandler(), HTTPSHandler()):
        opener.add_handler(handler)
    asked = {"User-Agent": f"cmt-dsl/{__version__}", "Accept-Encoding": "identity", **headers}
    try:
        return opener.open(Request(url, headers=asked), timeout=seconds)
    except URLError as error:
        reason = error.reason
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise Refused(
                f"its certificate is not trusted ({reason.verify_message}); a proxy's own: SSL_CERT_FILE=FILE"
            ) from None
        raise Passing(said(reason, seconds)) from None
    except http.client.InvalidURL as error:
        raise Refused(f"{url[:200]!r} is no address: {error}") from None
    except (OSError, http.client.HTTPException) as error:
        raise Passing(said(error, seconds)) from None
    except ValueError as error:
        raise Refused(f"{url[:200]!r} is no address: {error}") from None


def said(error: object, seconds: float) -> str:
    """A network failure in words."""
    if isinstance(error, TimeoutError):
        return f"nothing came for {seconds:g} s"
    if isinstance(error, http.client.IncompleteRead | http.client.RemoteDisconnected | ConnectionResetError):
        return "the connection was cut"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    text = str(error)
    return f"not understood: {text[:100]}" if isinstance(error, http.client.HTTPException) else text
