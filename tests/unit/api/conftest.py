"""A client that waits for nothing, vendor samples, and a server that misbehaves to order."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from airflow_provider_esimgo.api import EsimGoClient

BASE = "https://api.esim-go.test/v2.5"
KEY = "s3cret-Key_0123456789"


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def key() -> str:
    return KEY


@pytest.fixture
def client(clock: Clock) -> Iterator[EsimGoClient]:
    with EsimGoClient(BASE, KEY, clock=clock, sleep=clock.sleep) as client:
        yield client


@pytest.fixture
def sample() -> Callable[[str], object]:
    def load(name: str) -> object:
        return json.loads((Path(__file__).parent / "data" / f"{name}.json").read_text())

    return load


class Server:
    """Accepts on 127.0.0.1 and does as `answer(connection, request_bytes)` says; counts what reached it."""

    def __init__(self, answer: Callable[[socket.socket, bytes], None]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v2.5"
        self.requests: list[bytes] = []
        self.connections = 0
        self._answer = answer
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while request := _read_request(connection):
                self.requests.append(request)
                self._answer(connection, request)

    def close(self) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data and not data.startswith(b"\x16"):  # a TLS greeting is answered at once
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
    )
    while len(body) < length and (piece := connection.recv(65536)):
        body += piece
    return head + b"\r\n\r\n" + body


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket, bytes], None]], Server]]:
    servers: list[Server] = []

    def start(answer: Callable[[socket.socket, bytes], None]) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
