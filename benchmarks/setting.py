"""A batch of so many units in a ledger, planned against a sandbox; what the benchmarks buy."""

import io
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2

from airflow_provider_esimgo.api import EsimGoClient
from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.planning import plan_batch
from airflow_provider_esimgo.ledger.policy import PurchasePolicy
from airflow_provider_esimgo.ledger.records import Batch
from airflow_provider_esimgo.ledger.store import Ledger
from airflow_provider_esimgo.manifest import read_manifest
from airflow_provider_esimgo.sandbox.server import SandboxServer

BUNDLE = "esim_1GB_7D_GB_V2"
ACCOUNT = "Bench@127.0.0.1"
_SERVER = {"host": "127.0.0.1", "user": "postgres", "dbname": "postgres"}


@contextmanager
def sandbox() -> Iterator[tuple[SandboxServer, EsimGoClient]]:
    """A sandbox without a rate limit and with money enough, and a client that does not limit itself."""
    with (
        SandboxServer(rate_limit=None, balance="1000000") as server,
        EsimGoClient(server.url, server.key, requests_per_second=100_000) as client,
    ):
        yield server, client


def plan(
    client: EsimGoClient, ledger: Ledger, units: int, policy: PurchasePolicy, *, account: str = ACCOUNT
) -> Batch:
    """A planned batch of so many new eSIMs of one bundle."""
    rows = "".join(f"E{number},{BUNDLE},1\n" for number in range(units))
    manifest = read_manifest(io.BytesIO(f"recipient_ref,bundle,quantity\n{rows}".encode()))
    name = f"bench-{uuid.uuid4().hex[:8]}"
    return plan_batch(
        client, ledger, manifest, account=account, batch_id=name, policy=policy, allow_repeat=True
    )


@contextmanager
def sqlite_ledger() -> Iterator[Ledger]:
    with TemporaryDirectory() as folder:
        database = Database.open(f"sqlite:///{Path(folder) / 'ledger.db'}")
        yield Ledger(database)
        database.close()


@contextmanager
def postgresql_ledger() -> Iterator[Ledger | None]:
    """A ledger in a throwaway PostgreSQL database; None where no PostgreSQL runs."""
    name = f"esimgo_bench_{uuid.uuid4().hex[:8]}"
    try:
        admin = psycopg2.connect(**_SERVER)
    except psycopg2.OperationalError:
        yield None
        return
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    database = Database.connect(f"postgresql://postgres@127.0.0.1/{name}")
    try:
        database.upgrade()
        yield Ledger(database)
    finally:
        database.close()
        with admin.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name}")
        admin.close()
