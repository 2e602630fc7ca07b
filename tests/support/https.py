"""A server on 127.0.0.1 that speaks HTTPS, with a certificate authority of its own.

May not answer anybody beyond this machine.
"""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import trustme

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@dataclass
class Server:
    """What is served at which path; `requests` are those that came. `authority` is the file of its certificate."""

    address: str
    authority: Path
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def serve(self, path: str, *answers: Answer) -> str:
        """Return the address of a path that is answered by each of these in turn, then by the last one for ever."""
        rest = list(answers)

        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            now = rest.pop(0) if len(rest) > 1 else rest[0]
            now(handler)

        self.answers[path] = answer
        return self.address + path

    def serve_file(self, path: str, file: Path) -> str:
        return self.serve(path, content(file.read_bytes()))


def content(data: bytes) -> Answer:
    """Answer with these bytes."""
    return partial_content(data, len(data))


def partial_content(data: bytes, length: int) -> Answer:
    """Answer with these bytes, and say that they are `length`."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def status(code: int, **headers: str) -> Answer:
    """Answer with a status and nothing else."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in {"Content-Length": "0", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()

    return answer


def silence(released: threading.Event) -> Answer:
    """Answer nothing before the event."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        released.wait(timeout=60)
        handler.close_connection = True

    return answer


def trickle(released: threading.Event) -> Answer:
    """Answer with a byte now and then, until the event."""
    return drip(released, b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x")


def drip(released: threading.Event, start: bytes, again: bytes) -> Answer:
    """Answer with these bytes, then with others now and then, until the event."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        with suppress(OSError):
            handler.wfile.write(start)
            while not released.wait(timeout=0.02):
                handler.wfile.write(again)
        handler.close_connection = True

    return answer


@dataclass
class Proxy:
    """A proxy that makes tunnels: to what it was asked for one, and with which passwords."""

    address: str
    asked: list[str] = field(default_factory=list)
    passwords: list[str] = field(default_factory=list)


@contextmanager
def serve_tunnels(*, refuse: bool = False, to: str = "") -> Iterator[Proxy]:
    """Make tunnels for as long as the block lasts.

    :param refuse: make none, for want of a password
    :param to: make all of them to this host and port
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_CONNECT(self) -> None:
            proxy.asked.append(self.path)
            proxy.passwords += filter(None, [self.headers.get("Proxy-Authorization")])
            if refuse:
                self.send_error(407)
                return
            host, _, port = (to or self.path).rpartition(":")
            with suppress(OSError), socket.create_connection((host, int(port)), timeout=10) as there:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=_pump, args=(there, self.connection), daemon=True)
                back.start()
                _pump(self.connection, there)
                back.join()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        listener.daemon_threads = True
        proxy = Proxy(f"127.0.0.1:{listener.server_port}")
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            listener.shutdown()
            thread.join()


def _pump(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(1 << 16):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)


@contextmanager
def serve_https(folder: Path) -> Iterator[Server]:
    """Serve for as long as the block lasts."""
    authority = trustme.CA()
    file = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as listener:
        listener.daemon_threads = True
        server = Server(f"https://127.0.0.1:{listener.server_port}", file)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def handle(self) -> None:
                with suppress(OSError):
                    super().handle()

            def do_GET(self) -> None:
                server.requests.append(self.path)
                server.headers.append({name.lower(): value for name, value in self.headers.items()})
                server.answers.get(self.path, status(404))(self)

        def finish_request(request: socket.socket, client_address: object) -> None:
            # Shaking hands is done here, in a thread of its own: one that fails must not stop the listener.
            with suppress(OSError), context.wrap_socket(request, server_side=True) as wrapped:
                Handler(wrapped, client_address, listener)

        listener.finish_request = finish_request  # type: ignore[method-assign,assignment]
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()
