"""The account itself: who it is, what it holds, and topping it up.

Must stay true: the reply to GET /organisation holds the API key; it is dropped in parsing, before anyone
can log it.
"""

from __future__ import annotations

from airflow_provider_esimgo.api.errors import Effect
from airflow_provider_esimgo.api.models.account import Organisation, TopUp
from airflow_provider_esimgo.api.models.parse import MalformedError, rows
from airflow_provider_esimgo.api.operations import Operations
from airflow_provider_esimgo.api.wire import Call, Reply


class OrganisationOperations(Operations):
    def get_organisation(self) -> Organisation:
        """GET /organisation: name, currency, balance with test credit [D24][D25]; flat or wrapped [3P]."""
        return self._transport.read(Call("GET", "/organisation", Effect.READS), _organisation)

    def top_up_balance(self, amount: int) -> TopUp:
        """POST /organisation/balance: charges the stored card; `amount` in whole units of currency [D25].

        At least 1000 and at most 5000 a day by the documents. Not idempotent; sent once.
        """
        if isinstance(amount, bool) or not isinstance(amount, int) or amount < 1:
            raise ValueError(f"amount must be a whole number from 1 on, not {amount!r}")
        call = Call("POST", "/organisation/balance", Effect.SPENDS, query=(("amount", str(amount)),))
        return self._send(call, TopUp.parse)


def _organisation(reply: Reply) -> Organisation:
    found = rows(reply.json(), "organisations", identity="name")
    if not found:
        raise MalformedError("the reply holds no organisation")
    return Organisation.parse(found[0])
