"""A person decides what became of an order: adopt a vendor reference, or declare that it was never placed.

Who, when and why are recorded. Nothing is written to the vendor; the reference is read there before it is
adopted, so that a typing error cannot claim another order.
"""

from typing import Any

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from airflow_provider_esimgo.api import ApiError, EsimGoClient
from airflow_provider_esimgo.ledger.errors import LedgerError, NothingSent
from airflow_provider_esimgo.ledger.outcome import lines_agree, vendor_evidence
from airflow_provider_esimgo.ledger.policy import PurchasePolicy
from airflow_provider_esimgo.ledger.records import Order, StrayKind
from airflow_provider_esimgo.ledger.schema import strays
from airflow_provider_esimgo.ledger.states import OrderState
from airflow_provider_esimgo.ledger.store import Fenced, Ledger
from airflow_provider_esimgo.manifest.hashing import money_text

_OPEN = frozenset({OrderState.REVIEW, OrderState.UNKNOWN})


def adopt(client: EsimGoClient, ledger: Ledger, order: Order, reference: str, *, reason: str) -> Order:
    """The vendor's order `reference` is this order: it is placed, and will not be sent again.

    Raises:
        NothingSent: the order waits for no decision, or the reference cannot be this order.
    """
    _check_open(order)
    try:
        found = client.get_order(reference)
    except ApiError as error:
        raise NothingSent(
            f"The vendor's order {reference} cannot be read: {error.message}. Order {order.key} was left as it is. "
            "Check the reference against the vendor's portal."
        ) from error
    if not lines_agree(order, found):
        raise NothingSent(
            f"The vendor's order {reference} has other lines than order {order.key}: it cannot be the same. Order "
            f"{order.key} was left as it is. Compare it with 'airflow esimgo orders show {order.key}'."
        )
    evidence = {"decision": "adopt", "reason": reason, **vendor_evidence(found)}
    values: dict[str, Any] = {"reference": reference, "message": f"adopted by hand: {reason}"}
    if found.total is not None:
        values["due"] = money_text(found.total)  # what was really charged
    try:
        with ledger.database.write() as connection:
            connection.execute(
                delete(strays).where(strays.c.account == order.account, strays.c.reference == reference)
            )
            ledger.move(connection, order, OrderState.PLACED, evidence=evidence, **values)
            prices = {
                line.item: line.price_per_unit
                for line in found.bundle_lines
                if line.price_per_unit is not None
            }
            ledger.set_prices(connection, order, prices)
    except IntegrityError:
        raise NothingSent(
            f"The vendor's order {reference} already belongs to another order of the ledger. Order {order.key} was "
            "left as it is. Find that order with 'airflow esimgo orders list'."
        ) from None
    except Fenced:
        raise _overtaken(order) from None
    return ledger.order(order.key)


def declare_never_placed(ledger: Ledger, order: Order, policy: PurchasePolicy, *, reason: str) -> Order:
    """The order never took effect: it is planned again and will be sent by the next run.

    Vendor orders that looked like it are remembered as somebody else's.

    Raises:
        NothingSent: the order waits for no decision, or may still appear at the vendor.
    """
    _check_open(order)
    with ledger.database.read() as connection:
        age = (ledger.database.now(connection) - (order.unknown_at or 0)) / 1000
    if order.state is OrderState.UNKNOWN and age < policy.settle_seconds:
        raise NothingSent(
            f"Order {order.key} became unknown {age:.0f} s ago and may still appear at the vendor; it counts as never "
            f"placed after {policy.settle_seconds:.0f} s at the earliest. It was left as it is. Wait, then let "
            "EsimGoReconcileOperator look, or run this again."
        )
    evidence = {"decision": "never placed", "reason": reason}
    candidates = _candidates(ledger, order)
    try:
        with ledger.database.write() as connection:
            ledger.move(
                connection,
                order,
                OrderState.PLANNED,
                evidence=evidence,
                owner=None,
                reference=None,
                message=f"declared never placed: {reason}",
            )
            for reference in candidates:
                ledger.add_stray(connection, order, reference, StrayKind.FOREIGN)
    except Fenced:
        raise _overtaken(order) from None
    return ledger.order(order.key)


def _check_open(order: Order) -> None:
    if order.state not in _OPEN:
        raise NothingSent(
            f"Order {order.key} is {order.state} and waits for no decision. It was left as it is. "
            "'airflow esimgo orders list --state REVIEW' shows those that do."
        )


def _candidates(ledger: Ledger, order: Order) -> list[str]:
    """References that resembled the order, its own one included, and that no other order claims."""
    found = [
        candidate["reference"]
        for event in ledger.events(order=order)
        for candidate in event.evidence.get("candidates", ())
    ]
    claimed = ledger.claimed(order.account).keys() - {order.reference}
    return [
        reference
        for reference in dict.fromkeys([order.reference, *found])
        if reference is not None and reference not in claimed
    ]


def _overtaken(order: Order) -> LedgerError:
    return NothingSent(
        f"Order {order.key} was changed by somebody else at this moment; this decision was not recorded. "
        f"Look at it again with 'airflow esimgo orders show {order.key}'."
    )
