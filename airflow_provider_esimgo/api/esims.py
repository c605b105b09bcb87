"""eSIMs: list and read them, name them, refresh, suspend, message and delete them.

Must stay true: GET /refresh drops the device off its network, so it is sent once like every write.
"""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_esimgo.api.errors import Effect
from airflow_provider_esimgo.api.models.esims import Esim, EsimSummary, HistoryEvent, Location
from airflow_provider_esimgo.api.models.parse import Fields, MalformedError
from airflow_provider_esimgo.api.operations import Operations, Query, given
from airflow_provider_esimgo.api.wire import Call

_ESIM = "/esims/{iccid}"


class EsimOperations(Operations):
    def list_esims(
        self,
        *,
        per_page: int = 100,
        filter_by: str | None = None,
        filter: str | None = None,
        order_by: str | None = None,
        direction: str | None = None,
    ) -> Iterator[EsimSummary]:
        """GET /esims, all pages [D24][D25]. `per_page`: 10, 25, 50 or 100.

        `filter_by`: iccid, customerRef, lastAction, actionDate, assignedDate; `filter` a wildcard text,
        `eq:…` for an exact one, `gte:…` and the like for times [REL 2.2].
        """
        if per_page not in (10, 25, 50, 100):
            raise ValueError(f"per_page must be 10, 25, 50 or 100, not {per_page}")
        query = given(
            perPage=per_page, filterBy=filter_by, filter=filter, orderBy=order_by, direction=direction
        )
        return self._get_pages(
            "/esims", query=query, parse=EsimSummary.parse, wrapper="esims", identity="iccid"
        )

    def set_customer_ref(self, iccid: str, customer_ref: str) -> str:
        """PUT /esims: the only place for a client's own id, after the purchase [D24][D25]. Returns free text.

        The documents put both fields in the query and in the body; both are sent. Setting it twice is
        harmless.
        """
        if not iccid:
            raise ValueError("an ICCID is needed")
        query: Query = (("iccid", iccid), ("customerRef", customer_ref))
        body = {"iccid": iccid, "customerRef": customer_ref}
        return self._send_for_status(Call("PUT", "/esims", Effect.CHANGES, query=query, body=body))

    def get_esim(self, iccid: str, *, install_urls: bool = False) -> Esim:
        """GET /esims/{iccid}, with its secrets; install links from 2.5 on, when asked for [D24][D25]."""
        query: Query = (("additionalFields", "installUrl"),) if install_urls else ()
        return self._get(_ESIM, iccid, query=query, parse=Esim.parse)

    def delete_esim(self, iccid: str) -> str:
        """DELETE /esims/{iccid} (2.5): revokes all bundles without refund; cannot be undone [D25]."""
        return self._send_for_status(Call("DELETE", _ESIM, Effect.CHANGES, (iccid,)))

    def get_esim_history(self, iccid: str) -> list[HistoryEvent]:
        """GET /esims/{iccid}/history; its order is not documented [D24][D25]."""
        return self._get_list(
            _ESIM + "/history", iccid, parse=HistoryEvent.parse, wrapper="history", identity="name"
        )

    def refresh_esim(self, iccid: str) -> str:
        """GET /esims/{iccid}/refresh: drops the device off its network, for trouble-shooting [D24][D25].

        Sent once. A deactivated eSIM is RefusedError (400) on 2.5.
        """
        return self._send_for_status(Call("GET", _ESIM + "/refresh", Effect.CHANGES, (iccid,)))

    def send_sms(self, iccid: str, message: str, *, sender: str = "eSIM") -> str:
        """POST /esims/{iccid}/sms: 1-160 characters; other senders must be registered [D24][G:send_sms]."""
        if not 1 <= len(message) <= 160:
            raise ValueError(f"an SMS has 1 to 160 characters, not {len(message)}")
        body = {"message": message, "from": sender}
        return self._send_for_status(Call("POST", _ESIM + "/sms", Effect.CHANGES, (iccid,), body=body))

    def get_location(self, iccid: str) -> Location:
        """GET /esims/{iccid}/location: the network last seen; empty texts before the first [D24][D25]."""
        return self._get(_ESIM + "/location", iccid, parse=Location.parse)

    def is_compatible(self, iccid: str, bundle: str) -> bool:
        """GET /esims/{iccid}/compatible/{bundle}: whether this eSIM can take this bundle [D24][D25]."""
        template = _ESIM + "/compatible/{bundle}"
        return self._get(template, iccid, bundle, parse=lambda fields: _answer(fields, "compatible"))

    def set_suspended(self, iccid: str, suspended: bool) -> str:
        """POST /esims/{iccid}/suspend (2.5): blocks or frees it; bundles and their timers go on [D25]."""
        body = {"suspend": suspended}
        return self._send_for_status(Call("POST", _ESIM + "/suspend", Effect.CHANGES, (iccid,), body=body))

    def is_suspended(self, iccid: str) -> bool:
        """GET /esims/{iccid}/suspend (2.5) [G:suspend_unsuspend][D25]."""
        return self._get(_ESIM + "/suspend", iccid, parse=lambda fields: _answer(fields, "suspended"))


def _answer(fields: Fields, name: str) -> bool:
    answer = fields.flag(name)
    if answer is None:
        raise MalformedError(f"the reply does not say whether it is {name}")
    return answer
