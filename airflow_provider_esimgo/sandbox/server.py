"""A sandbox to start from Python: `with SandboxServer() as sandbox:` and it answers at `sandbox.url`.

The port is open before the constructor's caller goes on; `stop` returns when the server is gone.
Invariant: looking into the books or turning switches here needs no HTTP and is counted nowhere.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any

from airflow_provider_esimgo.sandbox.app import the_app
from airflow_provider_esimgo.sandbox.faults import read_rule
from airflow_provider_esimgo.sandbox.gateway import Gateway
from airflow_provider_esimgo.sandbox.identifiers import DEFAULT_KEY
from airflow_provider_esimgo.sandbox.listener import Listener
from airflow_provider_esimgo.sandbox.sandbox import PORTAL_IP, Sandbox
from airflow_provider_esimgo.sandbox.settings import Settings
from airflow_provider_esimgo.sandbox.store import OPENING_BALANCE, Store


def listener_for(sandbox: Sandbox, host: str, port: int) -> Listener:
    listener = Listener(host, port, sandbox.store.clock)
    listener.serve_app(Gateway(the_app(), sandbox, listener))
    return listener


class SandboxServer:
    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        key: str = DEFAULT_KEY,
        balance: Decimal | str = OPENING_BALANCE,
        seed: int = 0,
        db: Path | None = None,
        faults: Iterable[Mapping[str, Any]] = (),
        **switches: Any,
    ) -> None:
        self.key = key
        self.store = Store(seed=seed, opening_balance=Decimal(balance), file=db)
        self.sandbox = Sandbox(
            self.store,
            key=key,
            settings=Settings().changed(switches),
            rules=[read_rule(rule) for rule in faults],
        )
        self._listener = listener_for(self.sandbox, host, port)
        self._thread: threading.Thread | None = None
        self.root_url = self._listener.url
        self.url = f"{self.root_url}/v2.5"

    def start(self) -> SandboxServer:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="esimgo-sandbox", daemon=True)
            self._thread.start()
            self._listener.serving.wait()
        return self

    def _run(self) -> None:
        try:
            asyncio.run(self._listener.run_until_stopped())
        finally:
            self._listener.serving.set()  # it failed: whoever waits shall find out, not hang

    def stop(self) -> None:
        if self._thread is not None:
            self._listener.stop()
            self._thread.join()
            self._thread = None
        self._listener.close()
        self.store.close()

    def __enter__(self) -> SandboxServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # looking in, and playing fate

    def books(self) -> dict[str, Any]:
        return self.sandbox.books()

    def orders(self) -> list[dict[str, Any]]:
        """The committed purchases: no refunds, top-ups of the balance or applies."""
        return [order for order in self.books()["orders"] if order["lines"][0]["type"] == "bundle"]

    def install_all(self, count: int | None = None) -> list[str]:
        return self.sandbox.install(self.sandbox.chosen(everything=True), count)

    def activate_all(self, count: int | None = None) -> list[str]:
        return self.sandbox.activate(self.sandbox.chosen(everything=True), count)

    def fault(self, kind: str, **fields: Any) -> None:
        """One more rule: `fault("drop_after", nth=2)`, `fault("delay_after", path="^/organisation$", seconds=9)`."""
        self.sandbox.add_faults([{"kind": kind, **fields}])

    def faults(self) -> list[dict[str, Any]]:
        return self.sandbox.faults.report()

    def set(self, **switches: Any) -> None:
        self.sandbox.set(**switches)

    def set_price(self, bundle: str, price: Decimal | str) -> None:
        self.store.set_price(bundle, Decimal(price))

    def set_balance(self, balance: Decimal | str) -> None:
        self.sandbox.set_balance(Decimal(balance))

    def buy(self, order: Mapping[str, Any], *, source_ip: str = PORTAL_IP) -> str:
        """A colleague buys in the portal; tells the reference."""
        return self.sandbox.buy(json.dumps(order).encode(), source_ip).reference

    def advance(self, seconds: float) -> None:
        self.store.advance(seconds)
        self.sandbox.catch_up()

    def reset(self) -> None:
        self.sandbox.reset()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """While inside, nobody listens: connections are refused by the kernel, kept ones are cut."""
        self._on_loop(self._listener.close_door())
        try:
            yield
        finally:
            self._on_loop(self._listener.listen_again())

    def _on_loop(self, action: Coroutine[Any, Any, None]) -> None:
        loop = self._listener.loop
        asyncio.run_coroutine_threadsafe(action, loop).result(timeout=10)
