"""Bundles on eSIMs: list, apply from inventory, revoke.

Must stay true: applying and revoking are sent once; like orders they have no idempotency key. `type` is
always sent on a revoke, for its default revokes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from airflow_provider_esimgo.api.errors import Effect
from airflow_provider_esimgo.api.models.bundles import Applied, ApplyLine, Assignment, EsimBundle
from airflow_provider_esimgo.api.operations import Operations, Query, flag
from airflow_provider_esimgo.api.wire import Call

_ON_ESIM = "/esims/{iccid}/bundles/{name}"


class BundleOperations(Operations):
    def list_bundles(self, iccid: str, *, include_used: bool = True, limit: int = 200) -> list[EsimBundle]:
        """GET /esims/{iccid}/bundles: the `limit` (1-200) latest assignments, grouped by name [D24][D25]."""
        if not 1 <= limit <= 200:
            raise ValueError(f"limit must be from 1 to 200, not {limit}")
        return self._get_list(
            "/esims/{iccid}/bundles",
            iccid,
            query=(("includeUsed", flag(include_used)), ("limit", str(limit))),
            parse=EsimBundle.parse,
            wrapper="bundles",
            identity="name",
        )

    def get_bundle(self, iccid: str, name: str) -> list[Assignment]:
        """GET /esims/{iccid}/bundles/{name}: assignments of one name; perhaps only the latest [D24]."""
        return self._get_list(
            _ON_ESIM, iccid, name, parse=Assignment.parse, wrapper="assignments", identity="id"
        )

    def revoke_bundle(
        self,
        iccid: str,
        name: str,
        *,
        dry_run: bool = False,
        refund_to_balance: bool = False,
        offer_id: str | None = None,
    ) -> str:
        """DELETE /esims/{iccid}/bundles/{name}: takes the oldest unused assignment off [D24][D25].

        Unstarted and younger than 60 days it returns to inventory, or to the balance (needs `offer_id`, the
        assignment's id); a started one is lost. On 2.4 the last bundle may take the eSIM with it. Returns
        free text.
        """
        query = _revoke_query(dry_run, refund_to_balance)
        if offer_id is not None:
            query += (("offerId", offer_id),)
        return self._send_for_status(Call("DELETE", _ON_ESIM, _effect(dry_run), (iccid, name), query))

    def revoke_assignment(
        self,
        iccid: str,
        name: str,
        assignment_id: str,
        *,
        dry_run: bool = False,
        refund_to_balance: bool = False,
    ) -> str:
        """DELETE …/bundles/{name}/assignments/{id}: takes this one off; `refund_to_balance` on 2.5 [D25].

        The deprecated …/applications/{id} does the same.
        """
        template = _ON_ESIM + "/assignments/{assignment_id}"
        query = _revoke_query(dry_run, refund_to_balance)
        return self._send_for_status(
            Call("DELETE", template, _effect(dry_run), (iccid, name, assignment_id), query)
        )

    def apply_bundle(
        self, name: str, *, iccid: str | None = None, repeat: int | None = None, allow_reassign: bool = False
    ) -> Applied:
        """POST /esims/apply: from inventory onto `iccid`, or onto `repeat` (default 1) new eSIMs [D24][D25].

        Never charges the balance, but uses stock; without stock AuthenticationError (403).
        """
        if iccid is not None and repeat is not None:
            raise ValueError("repeat makes new eSIMs and cannot be combined with an iccid")
        body = ApplyLine(name, repeat, allow_reassign).to_json()
        if iccid is not None:
            body["iccid"] = iccid
        return self._send(Call("POST", "/esims/apply", Effect.CHANGES, body=body), Applied.parse)

    def apply_bundles(self, bundles: Sequence[ApplyLine]) -> Applied:
        """POST /esims/apply with several lines: a new eSIM for each bundle [D24][D25]."""
        if not bundles:
            raise ValueError("nothing to apply")
        body = {"bundles": [line.to_json() for line in bundles]}
        return self._send(Call("POST", "/esims/apply", Effect.CHANGES, body=body), Applied.parse)

    def apply_bundle_at(
        self, iccid: str, name: str, *, start_time: datetime, repeat: int | None = None
    ) -> str:
        """POST /esims/{iccid}/bundles, deprecated: the one form that takes a start time [D24][D22].

        Only bundles with `autostart=False` accept one. Uses stock. Returns free text.
        """
        if start_time.tzinfo is None:
            raise ValueError("start_time must be an aware datetime")
        begins = start_time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        body: dict[str, object] = {"name": name, "startTime": begins}
        if repeat is not None:
            body["repeat"] = repeat
        return self._send_for_status(
            Call("POST", "/esims/{iccid}/bundles", Effect.CHANGES, (iccid,), body=body)
        )


def _effect(dry_run: bool) -> Effect:
    return Effect.QUOTES if dry_run else Effect.CHANGES


def _revoke_query(dry_run: bool, refund_to_balance: bool) -> Query:
    return (("type", "validate" if dry_run else "transaction"), ("refundToBalance", flag(refund_to_balance)))
