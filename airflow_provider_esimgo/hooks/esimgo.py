"""From an Airflow connection to the eSIM Go client and the ledger.

The connection is read once per hook, in the thread that first needs it. Nothing here spends: what may be
bought is decided by the connection's `mode`, which is `validate` until somebody changes it by hand.
"""

import socket
from functools import cached_property
from typing import Any

from airflow.sdk import BaseHook

from airflow_provider_esimgo.api import ApiError, EsimGoClient, Organisation
from airflow_provider_esimgo.hooks.catalogue import Catalogue, catalogue
from airflow_provider_esimgo.hooks.compat import AirflowNotFoundException
from airflow_provider_esimgo.hooks.form import field_behaviour, form_widgets
from airflow_provider_esimgo.hooks.ledger import open_ledger_database
from airflow_provider_esimgo.hooks.settings import ConnectionSettings, SettingsError
from airflow_provider_esimgo.ledger.policy import Mode, PurchasePolicy
from airflow_provider_esimgo.ledger.records import Actor
from airflow_provider_esimgo.ledger.store import Ledger

_MEANS = {
    Mode.READ: "it only reads",
    Mode.VALIDATE: "it may price orders, not buy",
    Mode.TRANSACT: "it may buy",
}


class EsimGoHook(BaseHook):
    """An eSIM Go account as an Airflow connection describes it.

    Args:
        esimgo_conn_id: a connection of type `esimgo`.
        context: the task's context, recorded in the ledger with what is done; may be empty.
        in_background: take half of the requests a second only, since the vendor counts by address and a task that
            somebody waits for may run beside.
    """

    conn_name_attr = "esimgo_conn_id"
    default_conn_name = "esimgo_default"
    conn_type = "esimgo"
    hook_name = "eSIM Go"

    def __init__(
        self,
        esimgo_conn_id: str = default_conn_name,
        *,
        context: Any = None,
        in_background: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.esimgo_conn_id = esimgo_conn_id
        self._actor = actor_of(context or {})
        self._share = 0.5 if in_background else 1.0

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """The form's own fields; asked for by Airflow 3.1 only."""
        return form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """The form's standard fields; asked for by Airflow 3.1 only."""
        return field_behaviour()

    @cached_property
    def settings(self) -> ConnectionSettings:
        """The checked connection; raises `SettingsError` in one line."""
        try:
            connection = self.get_connection(self.esimgo_conn_id)
        except AirflowNotFoundException:
            raise SettingsError(
                f"There is no connection {self.esimgo_conn_id!r}. Nothing was sent. Add it under Admin > Connections "
                "with type 'eSIM Go' and the API key as password, or give esimgo_conn_id."
            ) from None
        return ConnectionSettings.read(
            self.esimgo_conn_id,
            host=connection.host,
            port=connection.port,
            schema=connection.schema,
            password=connection.password,
            extra=connection.extra_dejson,
        )

    @cached_property
    def client(self) -> EsimGoClient:
        """The typed client for every endpoint."""
        settings = self.settings
        if settings.unencrypted:
            self.log.warning(
                "Connection %r uses plain http: the API key can be read on the way", self.esimgo_conn_id
            )
        return EsimGoClient(
            settings.base_url,
            settings.api_key,
            timeout=settings.timeout,
            requests_per_second=settings.requests_per_second * self._share,
        )

    def get_conn(self) -> EsimGoClient:
        """The client, under the name that every hook has."""
        return self.client

    @property
    def policy(self) -> PurchasePolicy:
        """The limits this connection buys under."""
        return self.settings.policy

    @cached_property
    def organisation(self) -> Organisation:
        """The organisation as it was when first asked for; ask the client for a fresh balance."""
        return self.client.get_organisation()

    @cached_property
    def account(self) -> str:
        """The account's name in the ledger: the organisation's name, joined to the host."""
        return f"{self.organisation.name}@{self.settings.host}"

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, opened and of the right version."""
        database = open_ledger_database()
        self.log.info("The ledger is %s", database.address)
        return Ledger(database, self._actor)

    def catalogue(self, *, refresh: bool = False, stale_ok: bool = False) -> Catalogue:
        """What the account can buy, kept for a day; see `hooks.catalogue`."""
        return catalogue(self, refresh=refresh, stale_ok=stale_ok)

    def test_connection(self) -> tuple[bool, str]:
        """Ask the vendor who we are: account, currency, balance and mode in one line; never the key."""
        try:
            organisation = self.client.get_organisation()
        except (SettingsError, ApiError) as error:
            return False, str(error).splitlines()[0]
        mode = self.policy.mode
        balance = "unknown" if organisation.balance is None else f"{organisation.balance:,.2f}"
        return True, (
            f"{organisation.name} at {self.settings.host}: balance {balance} {organisation.currency or ''}, "
            f"mode {mode.value} ({_MEANS[mode]})"
        )

    def close(self) -> None:
        """Close what was opened."""
        if "client" in self.__dict__:
            self.client.close()
        if "ledger" in self.__dict__:
            self.ledger.database.close()

    def __enter__(self) -> "EsimGoHook":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def actor_of(context: Any) -> Actor:
    """Who acts, as far as the task's context tells."""
    instance = context.get("ti") or context.get("task_instance")
    return Actor(
        dag_id=getattr(instance, "dag_id", None),
        run_id=getattr(instance, "run_id", None),
        task_id=getattr(instance, "task_id", None),
        map_index=getattr(instance, "map_index", None),
        try_number=getattr(instance, "try_number", None),
        host=socket.gethostname(),
    )
