"""Waits in the triggerer until no order of an account is unknown any more, looking them up meanwhile.

Triggers run again after a restart, so this one only reads the vendor; what it learns it writes to the ledger
under the account's lease, like any other reconciliation. It never sends an order.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_esimgo.api import ApiError
from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.hooks.settings import SettingsError
from airflow_provider_esimgo.ledger.errors import LedgerError
from airflow_provider_esimgo.ledger.reconcile import reconcile_account


class EsimGoSettleTrigger(BaseTrigger):
    """Fires when the account has no unknown order left, or when somebody has to look.

    Args:
        esimgo_conn_id: the eSIM Go connection.
        seconds: how long to wait before the first look.
    """

    def __init__(self, *, esimgo_conn_id: str, seconds: float) -> None:
        super().__init__()
        self.esimgo_conn_id = esimgo_conn_id
        self.seconds = seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How Airflow stores this trigger."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {"esimgo_conn_id": self.esimgo_conn_id, "seconds": self.seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, wait, look again."""
        wait: float | None = self.seconds
        message = "every order of the account is resolved"
        while wait is not None:
            await asyncio.sleep(wait)
            try:
                wait = await asyncio.to_thread(self._look)
            except (SettingsError, LedgerError, ApiError) as error:
                wait, message = None, str(error)
        yield TriggerEvent({"message": message})

    def _look(self) -> float | None:
        """One look in a thread of its own, which also reads the connection."""
        with EsimGoHook(self.esimgo_conn_id) as hook:
            resolved = reconcile_account(hook.client, hook.ledger, hook.account, hook.policy)
            return resolved.look_again_in
