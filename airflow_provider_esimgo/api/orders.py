"""Orders: price, buy, list, read.

Must stay true: place_order is one HTTP attempt, ever. The order API has no idempotency key and no client
reference, so every identical POST is a new, charged order [D20-D25]; the ledger decides what happens after
a failure.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from airflow_provider_esimgo.api.errors import Effect
from airflow_provider_esimgo.api.models.orders import (
    Order,
    OrderQuote,
    OrderRequest,
    placed_order,
    quote,
    single_order,
)
from airflow_provider_esimgo.api.operations import Operations, flag
from airflow_provider_esimgo.api.wire import Call

LARGEST_PAGE = 10_000


class OrderOperations(Operations):
    def validate_order(self, request: OrderRequest) -> OrderQuote:
        """POST /orders, type=validate: price and validity; charges and reserves nothing [D25][G:ordering].

        Sent once. The caller may repeat it after NotSentError, which includes 429.
        """
        call = Call("POST", "/orders", Effect.QUOTES, body=request.to_json("validate"))
        return self._transport.send(call, lambda reply: quote(reply.json()))

    def place_order(self, request: OrderRequest) -> Order:
        """POST /orders, type=transaction: buys, at once and from the balance [D24][D25]. One attempt.

        Returns what the vendor says it did, `status` "failed" included: compare counts and totals. Raises
        NotSentError (nothing charged), RefusedError (nothing charged) or UnknownOutcomeError (it may have
        been bought: look in list_orders and at the balance, never send it again on a guess).
        """
        call = Call("POST", "/orders", Effect.SPENDS, body=request.to_json("transaction"))
        return self._transport.send(call, lambda reply: placed_order(reply.json()))

    def list_orders(
        self,
        *,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        include_iccids: bool = True,
        page_size: int = 1000,
    ) -> Iterator[Order]:
        """GET /orders, all pages, each order once; newest first as far as known [D22][STG].

        Bounds are inclusive, must be aware, and are widened to whole milliseconds. Give both: a closed
        window does not grow while it is read. Refunds, applies and top-ups are in it too, see
        `Order.bundle_lines`.
        """
        if not 1 <= page_size <= LARGEST_PAGE:
            raise ValueError(f"page_size must be from 1 to {LARGEST_PAGE}, not {page_size}")
        query = [("includeIccids", flag(include_iccids)), ("limit", str(page_size))]
        if created_from is not None:
            query.append(("createdAt", f"gte:{_millis(created_from)}"))
        if created_to is not None:
            query.append(("createdAt", f"lte:{_millis(created_to + timedelta(microseconds=999))}"))
        return self._get_pages(
            "/orders", query=tuple(query), parse=Order.parse, wrapper="orders", identity="orderReference"
        )

    def get_order(self, reference: str) -> Order:
        """GET /orders/{reference} [D24][D25].

        503 means that it is still being processed: after the read attempts UnknownOutcomeError with
        `retry_after`. Which status an unknown reference gets is not documented.
        """
        call = Call("GET", "/orders/{reference}", Effect.READS, (reference,))
        return self._transport.read(call, lambda reply: single_order(reply.json()))


def _millis(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("a time without a zone cannot be compared with the vendor's: use an aware datetime")
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
