"""What the commands share: the ledger under the name of who types, and errors in one line."""

import getpass
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_esimgo.api import EsimGoError
from airflow_provider_esimgo.hooks.compat import AirflowException
from airflow_provider_esimgo.hooks.ledger import open_ledger_database
from airflow_provider_esimgo.hooks.settings import SettingsError
from airflow_provider_esimgo.kit import KitError
from airflow_provider_esimgo.ledger.errors import LedgerError
from airflow_provider_esimgo.ledger.records import Actor
from airflow_provider_esimgo.ledger.store import Ledger
from airflow_provider_esimgo.manifest import PlanError


@contextmanager
def readable_errors() -> Iterator[None]:
    """End the command with one line instead of a traceback."""
    try:
        yield
    except (LedgerError, EsimGoError, SettingsError, PlanError, KitError, AirflowException) as error:
        raise SystemExit(str(error)) from None


def say(text: str) -> None:
    """Tell the person something that is not the result: it stays out of a pipe."""
    print(text, file=sys.stderr)  # noqa: T201


def who_types() -> Actor:
    """The person at the command line."""
    return Actor(user=getpass.getuser(), host=socket.gethostname())


def open_ledger() -> Ledger:
    """The ledger that this Airflow is configured for."""
    return Ledger(open_ledger_database(), who_types())
