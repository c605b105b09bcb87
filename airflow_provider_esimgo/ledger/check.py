"""Holds the ledger against its own promises, without asking the vendor: what is broken, in plain words."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

from airflow_provider_esimgo.ledger.records import Batch, Event, Order, Unit
from airflow_provider_esimgo.ledger.states import TRANSITIONS, OrderState
from airflow_provider_esimgo.ledger.store import Ledger

_BOUGHT = frozenset({OrderState.PLACED, OrderState.ASSIGNED})


def broken_invariants(ledger: Ledger) -> list[str]:
    """Every promise that the ledger's contents break; empty when all is well."""
    found: list[str] = []
    in_flight: Counter[str] = Counter()
    issued: dict[str, list[str]] = defaultdict(list)
    for batch in ledger.batches():
        orders = ledger.orders(batch)
        units = ledger.units(batch)
        events = ledger.events(batch=batch)
        found += _check_batch(batch, orders, units)
        bought: dict[int, list[Unit]] = defaultdict(list)
        for unit in units:
            bought[unit.order_key].append(unit)
        history: dict[int | None, list[Event]] = defaultdict(list)
        for event in events:
            history[event.order_key].append(event)
        for order in orders:
            name = f"order {order.key} (batch {batch.batch_id!r}, number {order.number})"
            found += (f"{name}: {fault}" for fault in _check_order(order, bought[order.key]))
            found += (f"{name}: {fault}" for fault in _check_history(order, history[order.key]))
            in_flight[order.account] += order.state is OrderState.SENDING
        for unit in units:
            if unit.iccid and not unit.topped_up:
                issued[unit.iccid].append(f"unit {unit.number} of batch {batch.batch_id!r}")
    found += (
        f"{count} orders of account {account!r} are in flight at once"
        for account, count in in_flight.items()
        if count > 1
    )
    found += (
        f"eSIM {iccid} was issued for {' and '.join(to)}" for iccid, to in issued.items() if len(to) > 1
    )
    for account in {batch.account for batch in ledger.batches()}:
        found += (
            f"the vendor's order {stray.reference} looks like order {stray.order_key} bought twice"
            for stray in ledger.duplicates(account)
        )
    return found


def _check_batch(batch: Batch, orders: Sequence[Order], units: Sequence[Unit]) -> Iterator[str]:
    name = f"batch {batch.batch_id!r}"
    if len(orders) != batch.order_count:
        yield f"{name} has {len(orders)} orders, planned were {batch.order_count}"
    if len(units) != batch.unit_count:
        yield f"{name} has {len(units)} units, planned were {batch.unit_count}"
    if sum((order.total for order in orders), Decimal(0)) != batch.total:
        yield f"{name}: its orders' totals do not add up to {batch.total}"
    keys = {order.key for order in orders}
    strangers = [unit.number for unit in units if unit.order_key not in keys]
    if strangers:
        yield f"{name}: units {strangers} are in orders of another batch"


def _check_order(order: Order, units: Sequence[Unit]) -> Iterator[str]:
    asked = Counter({(line.item, line.iccids): line.quantity for line in order.request.lines})
    wanted = Counter(item for item, _ in asked.elements())
    if wanted != Counter(unit.bundle for unit in units):
        yield "its units are not what its lines ask for"
    if sum((unit.price for unit in units), Decimal(0)) != order.due:
        yield f"its units' prices do not add up to {order.due}"
    if order.state in _BOUGHT and order.reference is None:
        yield f"it is {order.state} without a reference"
    if order.state not in _BOUGHT | {OrderState.REVIEW} and order.reference is not None:
        yield f"it is {order.state} but claims reference {order.reference}"
    if order.state is OrderState.ASSIGNED and any(unit.iccid is None for unit in units):
        yield "it is ASSIGNED, but some of its units have no eSIM"
    if order.state is not OrderState.ASSIGNED and any(unit.iccid for unit in units):
        yield f"it is {order.state}, but some of its units have an eSIM"
    if any(unit.topped_up and unit.iccid not in (None, unit.topped_up) for unit in units):
        yield "a top-up is on another eSIM than the manifest asked for"


def _check_history(order: Order, events: Sequence[Event]) -> Iterator[str]:
    state = OrderState.PLANNED.value
    sent = 0
    for event in events:
        if event.kind != "transition" or event.from_state is None or event.to_state is None:
            continue
        if event.from_state != state:
            yield f"its history goes from {event.from_state} although it was {state}"
        if (OrderState(event.from_state), OrderState(event.to_state)) not in TRANSITIONS:
            yield f"its history goes from {event.from_state} to {event.to_state}, which no rule allows"
        state = event.to_state
        sent += state == OrderState.SENDING
    if state != order.state:
        yield f"it is {order.state}, but its history ends at {state}"
    if sent != order.attempt:
        yield f"it counts {order.attempt} attempts, its history {sent}"
