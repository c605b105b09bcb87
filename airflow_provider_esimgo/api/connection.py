"""Connections that remember whether a request was handed to them: the proof behind NOT_SENT.

Must stay true: the mark is set before the first request byte can leave, and never taken back.
Whatever bears `Connection: close` travels on a connection of its own, so no idle close can hit it.
"""

from __future__ import annotations

from contextvars import ContextVar
from enum import Enum
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


class Handover(Enum):
    """How far one request got. UNWATCHED: a foreign adapter or a SOCKS proxy carries it."""

    UNWATCHED = "unwatched"
    NOT_YET = "not yet"
    BEGUN = "begun"


handover: ContextVar[Handover] = ContextVar("esimgo_handover", default=Handover.UNWATCHED)


class _Watching:
    _connecting = False

    def connect(self) -> None:
        self._connecting = True
        try:
            super().connect()  # type: ignore[misc]
        finally:
            self._connecting = False

    def send(self, data: Any) -> None:
        if self.sock is None:  # type: ignore[attr-defined]
            self.connect()
        if not self._connecting:  # while connecting, only a proxy's CONNECT is sent: not the request
            handover.set(Handover.BEGUN)
        super().send(data)  # type: ignore[misc]


class _WatchingHTTP(_Watching, HTTPConnection):
    pass


class _WatchingHTTPS(_Watching, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _WatchingHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchingHTTPS


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


class WatchingAdapter(HTTPAdapter):
    """requests' own adapter with watching connections, without retries, and with lonely purchases."""

    def __init__(self) -> None:
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if proxy.lower().startswith("socks"):
            handover.set(Handover.UNWATCHED)  # SOCKS brings connection classes of its own
        else:
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        handover.set(Handover.NOT_YET)
        if request.headers.get("Connection") != "close":
            return super().send(request, *args, **kwargs)
        own = WatchingAdapter()
        try:
            return HTTPAdapter.send(own, request, *args, **kwargs)
        finally:
            own.close()


def adopt(session: requests.Session) -> None:
    """Put watching adapters where `session` has requests' own; refuse another one that retries by itself."""
    for prefix, adapter in list(session.adapters.items()):
        if type(adapter) is HTTPAdapter:
            session.mount(prefix, WatchingAdapter())
        elif getattr(getattr(adapter, "max_retries", None), "total", 0) not in (0, False):
            raise ValueError(
                f"the session's adapter for {prefix} retries by itself, and a retried order is bought twice: "
                "mount it with max_retries=0"
            )
