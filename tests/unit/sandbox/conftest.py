"""A customer of the sandbox who knows nothing but HTTP, and a factory of sandboxes with other switches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from airflow_provider_esimgo.sandbox.server import SandboxServer


class Customer:
    GB = "esim_1GB_7D_GB_V2"  # 1.36
    NL = "esim_1GB_7D_NL_V2"  # 1.42
    JP = "esim_1GB_7D_JP_V2"  # 2.16, on the other network profile

    def __init__(self, server: SandboxServer) -> None:
        self.server = server
        self.session = requests.Session()
        self.session.headers["X-API-Key"] = server.key

    def __call__(self, method: str, path: str, *, version: str = "v2.5", **options: Any) -> requests.Response:
        options.setdefault("timeout", 10)
        return self.session.request(method, f"{self.server.root_url}/{version}{path}", **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self("GET", path, **options)

    def line(self, item: str = GB, quantity: int = 1, **fields: Any) -> dict[str, Any]:
        return {"type": "bundle", "item": item, "quantity": quantity, **fields}

    def order(
        self, *lines: dict[str, Any], options: dict[str, Any] | None = None, **fields: Any
    ) -> requests.Response:
        body = {"type": "transaction", "assign": True, **fields, "order": list(lines or [self.line()])}
        return self("POST", "/orders", json=body, **(options or {}))

    def bought(self, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
        reply = self.order(*lines, **fields)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def orders(self, **params: Any) -> list[dict[str, Any]]:
        return self.get("/orders", params={"limit": 100, **params}).json()["orders"]

    def assignments(self, *references: str, accept: str | None = None, **params: Any) -> requests.Response:
        return self.get(
            "/esims/assignments", params={"reference": references, **params}, headers={"Accept": accept}
        )

    def state_of(self, iccid: str) -> str:
        bundles = self.get(f"/esims/{iccid}/bundles", params={"includeUsed": "true"}).json()["bundles"]
        return bundles[0]["assignments"][0]["bundleState"]

    def control(self, path: str, **fields: Any) -> requests.Response:
        return requests.post(f"{self.server.root_url}/_sandbox/{path}", json=fields, timeout=10)


@pytest.fixture
def serve() -> Iterator[Callable[..., Customer]]:
    with ExitStack() as running:

        def start(**options: Any) -> Customer:
            server = running.enter_context(SandboxServer(**{"rate_limit": None, **options}))
            running.callback(lambda: _balanced(server))
            return Customer(server)

        yield start


def _balanced(server: SandboxServer) -> None:
    assert server.books()["balanced"]


@pytest.fixture
def customer(serve: Callable[..., Customer]) -> Customer:
    return serve()
