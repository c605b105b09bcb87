"""Turns our errors into Airflow's: what a retry can cure may be retried, the rest fails at once.

Retrying is always safe here, since the ledger remembers; but a faulty manifest or a case for a person does
not get better by itself, and a task that fails at once is seen sooner.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_esimgo.api import ApiError, RefusedError
from airflow_provider_esimgo.hooks.compat import AirflowException, AirflowFailException
from airflow_provider_esimgo.hooks.settings import SettingsError
from airflow_provider_esimgo.kit import KitError, KitNotReady
from airflow_provider_esimgo.ledger.errors import (
    BatchConflict,
    DeliveredTwice,
    KitFolderTaken,
    LedgerError,
    LedgerSchemaMismatch,
    OrderInReview,
    OrderRejected,
    PlanRefused,
    SuspectedDuplicate,
    UnknownBatch,
)
from airflow_provider_esimgo.manifest import ManifestError, PlanError

_FINAL = (
    BatchConflict,
    DeliveredTwice,
    KitFolderTaken,
    LedgerSchemaMismatch,
    ManifestError,
    OrderInReview,
    OrderRejected,
    PlanError,
    PlanRefused,
    SettingsError,
    SuspectedDuplicate,
    UnknownBatch,
)


@contextmanager
def explained(conn_id: str) -> Iterator[None]:
    """Let only Airflow's exceptions out, each saying what happened and naming the connection."""
    try:
        yield
    except _FINAL as error:
        raise AirflowFailException(_told(conn_id, error)) from None
    except (ApiError, LedgerError, KitNotReady) as error:
        final = isinstance(error, RefusedError)
        raise (AirflowFailException if final else AirflowException)(_told(conn_id, error)) from None
    except KitError as error:
        raise AirflowFailException(_told(conn_id, error)) from None


def _told(conn_id: str, error: Exception) -> str:
    text = str(error)
    if isinstance(error, ManifestError):
        return text  # a table, and none of the connection's business
    return text if conn_id in text else f"{text} (connection {conn_id!r})"
