"""Install details of what was ordered or applied: as JSON, as CSV, as a ZIP of QR images.

Must stay true: everything here is secret; it goes to the caller and nowhere else. The Accept header is
always sent, for without one the vendor answers CSV.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence

from airflow_provider_esimgo.api.errors import Effect
from airflow_provider_esimgo.api.models.install import (
    InstallDetails,
    install_details_from_csv,
    install_details_from_json,
    looks_like_csv,
)
from airflow_provider_esimgo.api.models.parse import MalformedError
from airflow_provider_esimgo.api.operations import Operations, Query
from airflow_provider_esimgo.api.wire import CSV, JSON, ZIP, Call, Reply

REFERENCES_PER_REQUEST = 50  # about 2.5 kB of query; servers commonly refuse from 8 kB on


class InstallDetailsOperations(Operations):
    """GET /esims/assignments [D24][D25]. `references` are of orders or of applies.

    Just after an order the vendor may answer 500, 503, an empty body (all retried) or an empty list
    (returned). One deactivated eSIM makes the whole request GoneError. The deprecated /esims/qr/… and
    /esims/csv/… add nothing.
    """

    def get_install_details(
        self, references: Sequence[str], *, install_urls: bool = False
    ) -> list[InstallDetails]:
        """Details of all eSIMs of `references`, 50 references a request.

        The usual JSON form names no reference: to map eSIMs back, use the order's own ICCIDs or ask one at
        a time.
        """
        query: Query = (("additionalFields", "installUrl"),) if install_urls else ()
        return self._by_reference(references, query, JSON, _details)

    def get_install_details_csv(self, references: Sequence[str]) -> list[InstallDetails]:
        """The same from the CSV form, which tells `bundle` too and, if the vendor sends it, `reference`."""
        return self._by_reference(
            references, (), CSV, lambda reply: install_details_from_csv(_readable(reply))
        )

    def get_qr_zip(self, references: Sequence[str]) -> bytes:
        """A ZIP of one PNG per eSIM and a CSV; its file names are not documented. At most 50 references."""
        if not 1 <= len(_listed(references)) <= REFERENCES_PER_REQUEST:
            raise ValueError(f"one ZIP holds 1 to {REFERENCES_PER_REQUEST} references, not {len(references)}")
        return self._transport.read(_call(references, (), ZIP), _zip)

    def _by_reference(
        self,
        references: Sequence[str],
        query: Query,
        accept: str,
        parse: Callable[[Reply], list[InstallDetails]],
    ) -> list[InstallDetails]:
        details: list[InstallDetails] = []
        listed = _listed(references)
        for start in range(0, len(listed), REFERENCES_PER_REQUEST):
            part = listed[start : start + REFERENCES_PER_REQUEST]
            details += self._transport.read(_call(part, query, accept), parse)
        return details


def _listed(references: Sequence[str]) -> list[str]:
    if isinstance(references, str):
        raise TypeError("give a list of references, not one text")
    if not all(references):
        raise ValueError("a reference is empty")
    return list(references)


def _call(references: Sequence[str], query: Query, accept: str) -> Call:
    named = tuple(("reference", reference) for reference in references)
    return Call("GET", "/esims/assignments", Effect.READS, query=named + query, accept=accept)


def _details(reply: Reply) -> list[InstallDetails]:
    if reply.content_type.startswith(CSV) or looks_like_csv(reply.text()):
        return install_details_from_csv(_readable(reply))
    return install_details_from_json(reply.json())


def _readable(reply: Reply) -> str:
    try:
        return reply.content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise MalformedError("the CSV reply is not UTF-8") from None


def _zip(reply: Reply) -> bytes:
    if not zipfile.is_zipfile(io.BytesIO(reply.content)):  # a cut one lacks its directory at the end
        raise MalformedError("the reply is not a complete ZIP")
    return reply.content
