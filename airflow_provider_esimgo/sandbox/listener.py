"""The sandbox's sockets: uvicorn, but the sandbox can cut a connection and stop listening, as networks do.

The port stays ours while nobody listens on it: a second socket is bound to it and never listens.
Invariant: when `stop` returns, no connection and no task of the server is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from airflow_provider_esimgo.sandbox.clock import SandboxClock

_LINGER_NOT = struct.pack("ii", 1, 0)  # close() then sends RST


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio then sets TCP_NODELAY
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    bound.setblocking(False)
    return bound


class Listener(uvicorn.Server):
    def __init__(self, host: str, port: int, clock: SandboxClock) -> None:
        self._transports: dict[tuple[str, int], asyncio.Transport] = {}
        self._clock = clock
        self._refusals: set[asyncio.Task[None]] = set()
        self._stopping: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.serving = threading.Event()
        self._keeper = _bound(host, port)
        self.host, self.port = host, int(self._keeper.getsockname()[1])
        self._socket = self._listening()

    @property
    def url(self) -> str:
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    def serve_app(self, app: ASGIApp) -> None:
        """Which application answers; uvicorn wants its configuration whole."""
        config = uvicorn.Config(
            app,
            http=self._protocol_class(),
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
        )
        super().__init__(config)

    def _listening(self) -> socket.socket:
        listening = _bound(self.host, self.port)
        listening.listen(512)
        return listening

    def _protocol_class(self) -> type[H11Protocol]:
        transports = self._transports

        class Protocol(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                self.peer = transport.get_extra_info("peername") or ("", 0)  # gone already
                transports[self.peer[:2]] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                transports.pop(self.peer[:2], None)
                super().connection_lost(exc)

        return Protocol

    # what the gateway does to the sockets

    def cut(self, client: tuple[str, int], how: str) -> None:
        transport = self._transports.get(tuple(client))  # type: ignore[arg-type]
        if transport is None:
            return
        if how == "reset":
            connection = transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        transport.abort()

    def refuse(self, seconds: float) -> None:
        """New connections are refused for so long (on the sandbox's clock); idle ones are cut."""
        self.stop_listening()
        task = asyncio.get_running_loop().create_task(self._listen_after(seconds))
        self._refusals.add(task)
        task.add_done_callback(self._refusals.discard)

    def stop_listening(self) -> None:
        for server in self.servers:
            server.close()
        self.servers = []
        for client in list(self._transports):
            if not self._busy(client):
                self.cut(client, "close")

    async def close_door(self) -> None:
        self.stop_listening()

    def _busy(self, client: tuple[str, int]) -> bool:
        protocol: Any = self._transports[client].get_protocol()
        return protocol.cycle is not None and not protocol.cycle.response_complete

    async def _listen_after(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        await self.listen_again()

    async def listen_again(self) -> None:
        if self.servers:
            return
        loop = asyncio.get_running_loop()
        self._socket = self._listening()
        self.servers = [await loop.create_server(self._new_connection, sock=self._socket)]

    def _new_connection(self) -> asyncio.Protocol:
        protocol_class: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = protocol_class(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol

    # uvicorn's own life, without its polling

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None, "not started"
        return self._loop

    async def run_until_stopped(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        await self.serve(sockets=[self._socket])

    async def main_loop(self) -> None:
        assert self._stopping is not None
        await self.on_tick(0)
        self.serving.set()
        if not self.should_exit:
            await self._stopping.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.stop()

    def stop(self) -> None:
        """From any thread, or from a signal."""
        self.should_exit = True
        if self._loop is not None and self._stopping is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)

    def close(self) -> None:
        """Gives the port back."""
        self._socket.close()
        self._keeper.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        self.close()
        for transport in list(self._transports.values()):
            transport.abort()
        tasks = [*self.server_state.tasks, *self._refusals]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)
