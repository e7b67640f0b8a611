"""A web server on 127.0.0.1 whose every answer a test chooses, sound or not."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Asked"], None]
GONE = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError)


@dataclass
class Asked:
    """One request, and the ways to answer it."""

    handler: BaseHTTPRequestHandler
    count: int
    """How many times this path was asked for, this time included."""

    @property
    def begin(self) -> int | None:
        """First byte of the range that is asked for."""
        text = self.handler.headers.get("Range")
        return int(text.removeprefix("bytes=").rstrip("-")) if text else None

    @property
    def condition(self) -> str | None:
        return self.handler.headers.get("If-Range")

    def head(self, status: int = 200, **headers: object) -> None:
        """Status and headers (`_` for `-`), as they are given."""
        self.handler.send_response(status)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), str(value))
        self.handler.end_headers()

    def body(self, data: bytes) -> None:
        with contextlib.suppress(*GONE):
            self.handler.wfile.write(data)
            self.handler.wfile.flush()


@dataclass
class Host:
    """Answers by path, and what was asked for."""

    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """(path, Range header)."""
    over: threading.Event = field(default_factory=threading.Event)
    """Set when the test ends: an answer that waits, waits for this or for what comes first."""

    def url(self, path: str = "/w") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def serve(self, answer: Answer | bytes, path: str = "/w", **headers: object) -> str:
        """Answer so at `path` from now on; bytes are served as a sound server does. The address."""
        self.answers[path] = sound(answer, **headers) if isinstance(answer, bytes) else answer
        return self.url(path)


def sound(data: bytes, etag: str = '"1"', **headers: object) -> Answer:
    """A server that knows ranges."""

    def answer(asked: Asked) -> None:
        begin = asked.begin
        if begin is None or asked.condition != etag:
            asked.head(200, Content_Length=len(data), ETag=etag, **headers)
            asked.body(data)
        elif begin >= len(data):
            asked.head(416, Content_Range=f"bytes */{len(data)}", Content_Length=0)
        else:
            where = f"bytes {begin}-{len(data) - 1}/{len(data)}"
            asked.head(206, Content_Length=len(data) - begin, Content_Range=where, ETag=etag)
            asked.body(data[begin:])

    return answer


def cut(data: bytes, at: int, then: Answer | None = None, **headers: object) -> Answer:
    """All is promised and the connection closed after `at` bytes; later requests get `then`."""

    def answer(asked: Asked) -> None:
        if then is not None and asked.count > 1:
            then(asked)
            return
        asked.head(200, Content_Length=len(data), **{"ETag": '"1"', **headers})
        asked.body(data[:at])

    return answer


def redirect(target: str, status: int = 302) -> Answer:
    return lambda asked: asked.head(status, Location=target, Content_Length=0)


def status(number: int, then: Answer | None = None, **headers: Any) -> Answer:
    """That status, `then` from the second request on."""

    def answer(asked: Asked) -> None:
        if then is not None and asked.count > 1:
            then(asked)
        else:
            asked.head(number, Content_Length=0, **headers)

    return answer


@contextlib.contextmanager
def hosting() -> Iterator[Host]:
    """A host that runs until the block ends."""
    host, lock = Host(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            with lock:
                host.asked.append((self.path, self.headers.get("Range")))
                count = sum(path == self.path for path, _ in host.asked)
            with contextlib.suppress(*GONE):
                host.answers.get(self.path, status(404))(Asked(self, count))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    host.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield host
    finally:
        host.over.set()
        server.shutdown()
        server.server_close()
