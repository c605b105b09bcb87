"""The fixtures that `tests/crash` and `tests/services` import into their conftest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_esimgo.sandbox.server import SandboxServer
from ledger_kit.ledgers import throwaway_ledger
from ledger_kit.market import Market
from ledger_kit.nursery import Nursery

OpenMarket = Callable[..., Market]


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Where workers come from."""
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture
def open_market(tmp_path: Path) -> Iterator[OpenMarket]:
    """Open a market on a ledger of some kind: `open_market("postgresql", pace=0.2)`."""
    with ExitStack() as closing:

        def open_it(kind: str = "sqlite", **fields: Any) -> Market:
            url = closing.enter_context(throwaway_ledger(kind, tmp_path))
            sandbox = closing.enter_context(SandboxServer(rate_limit=None))
            market = Market(sandbox, url, tmp_path, **fields)
            closing.callback(market.close)
            return market

        yield open_it


@pytest.fixture
def market(open_market: OpenMarket) -> Market:
    """A market on a SQLite ledger."""
    return open_market()
