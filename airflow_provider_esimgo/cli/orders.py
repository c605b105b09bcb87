"""`airflow esimgo orders …`"""

from argparse import Namespace
from datetime import UTC, datetime
from typing import Any

from airflow.cli.simple_table import AirflowConsole

from airflow_provider_esimgo.cli.session import open_ledger, readable_errors
from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.ledger.records import Event, Order
from airflow_provider_esimgo.ledger.resolve import adopt, declare_never_placed
from airflow_provider_esimgo.ledger.states import OrderState
from airflow_provider_esimgo.ledger.store import Ledger


def list_orders(args: Namespace) -> None:
    """Print the orders of all batches, or of one."""
    if args.state and args.state not in list(OrderState):
        raise SystemExit(f"There is no state {args.state}; use one of {', '.join(OrderState)}")
    with readable_errors():
        ledger = open_ledger()
        rows = [
            {
                "order": order.key,
                "batch": batch.batch_id,
                "number": order.number,
                "state": order.state.value,
                "units": order.unit_count,
                "due": f"{order.due:.2f} {batch.currency}",
                "sent": moment(order.sent_at),
                "reference": order.reference or "",
                "message": order.message or "",
            }
            for batch in ledger.batches()
            if args.batch in (None, batch.batch_id)
            for order in ledger.orders(batch)
            if args.state in (None, order.state)
        ]
    AirflowConsole().print_as(rows, output=args.output)


def show_order(args: Namespace) -> None:
    """Print one order, its units and its history."""
    with readable_errors():
        ledger = open_ledger()
        order = _find(ledger, args.order)
        units = [
            {
                "unit": unit.number,
                "recipient_ref": unit.recipient_ref,
                "bundle": unit.bundle,
                "price": f"{unit.price:.2f}",
                "iccid": unit.iccid or "",
                "milestone": unit.milestone.value if unit.milestone else "",
            }
            for unit in ledger.units_of(order)
        ]
        history = [_told(event) for event in ledger.events(order=order)]
    console = AirflowConsole()
    facts = {
        "order": order.key,
        "state": order.state.value,
        "due": f"{order.due:.2f}",
        "attempt": order.attempt,
        "sent": moment(order.sent_at),
        "reference": order.reference or "",
        "message": order.message or "",
    }
    if args.output in ("json", "yaml"):
        console.print_as([{**facts, "units": units, "history": history}], output=args.output)
        return
    for rows in ([facts], units, history):
        console.print_as(rows, output=args.output)


def resolve_order(args: Namespace) -> None:
    """Record a person's decision."""
    if bool(args.adopt) == args.never_placed:
        raise SystemExit("Give either --adopt REFERENCE or --never-placed.")
    if not args.reason or not args.reason.strip():
        raise SystemExit("Give --reason: it goes into the ledger, for whoever asks about this order later.")
    with readable_errors(), EsimGoHook(args.conn_id) as hook:
        ledger = open_ledger()
        order = _find(ledger, args.order)
        if order.account != hook.account:
            raise SystemExit(
                f"Order {order.key} belongs to account {order.account!r}, connection {args.conn_id!r} to "
                f"{hook.account!r}. Nothing was changed. Give the right one with --conn-id."
            )
        if args.adopt:
            order = adopt(hook.client, ledger, order, args.adopt, reason=args.reason)
        else:
            order = declare_never_placed(ledger, order, hook.policy, reason=args.reason)
    print(f"Order {order.key} is {order.state} now. Run the batch's place task again: it goes on from here.")  # noqa: T201


def _find(ledger: Ledger, key: int) -> Order:
    order = ledger.find_order(key)
    if order is None:
        raise SystemExit(f"There is no order {key} in the ledger; 'airflow esimgo orders list' shows all.")
    return order


def _told(event: Event) -> dict[str, Any]:
    who = event.actor.get("user") or ".".join(
        str(event.actor[name]) for name in ("dag_id", "task_id", "try_number") if name in event.actor
    )
    change = f"{event.from_state} -> {event.to_state}" if event.from_state else event.kind
    evidence = ", ".join(f"{name}={value}" for name, value in event.evidence.items())
    return {
        "at": moment(event.at),
        "what": change,
        "attempt": event.attempt,
        "who": who,
        "evidence": evidence,
    }


def moment(milliseconds: int | None) -> str:
    """A time of the ledger's, in UTC."""
    if milliseconds is None:
        return ""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(sep=" ", timespec="seconds")
