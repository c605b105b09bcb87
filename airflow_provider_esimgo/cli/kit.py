"""`airflow esimgo kit …`"""

import re
import sys
from argparse import Namespace
from datetime import timedelta

from airflow.cli.simple_table import AirflowConsole

from airflow_provider_esimgo.cli.orders import moment
from airflow_provider_esimgo.cli.session import open_ledger, readable_errors, say, who_types
from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.hooks.export import ExportOptions, export_kit, read_people
from airflow_provider_esimgo.hooks.purge import purge
from airflow_provider_esimgo.kit.verify import Verify
from airflow_provider_esimgo.ledger.delivery import (
    OPEN,
    UNDER_WAY,
    Delivery,
    DeliveryState,
    decide,
    deliveries_of,
)
from airflow_provider_esimgo.ledger.holdings import Selection
from airflow_provider_esimgo.ledger.store import Ledger

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def export(args: Namespace) -> None:
    """Write a kit."""
    try:
        selection = Selection(
            batch_id=args.batch,
            references=tuple(args.order or ()),
            iccids=tuple(args.iccid or ()),
            recipients=tuple(args.recipient or ()),
        )
    except ValueError:
        raise SystemExit("Give one of --batch, --order, --iccid and --recipient.") from None
    options = ExportOptions(
        args.destination,
        storage_conn_id=args.storage_conn_id,
        formats=args.format or (),
        verify=Verify(args.verify),
        even_if_installed=args.even_if_installed,
    )
    with readable_errors(), EsimGoHook(args.conn_id) as hook:
        hook.ledger.actor = who_types()
        people = read_people(args.manifest, conn_id=args.storage_conn_id) if args.manifest else None
        files = export_kit(hook, selection, options, manifest=people)
    if files.withheld:
        say(
            f"{files.withheld} codes are withheld; the index says why. --even-if-installed hands out those of "
            "installed eSIMs."
        )
    print(f"{files.qr_count} QR codes in {files.folder}")  # noqa: T201


def purge_kits(args: Namespace) -> None:
    """Erase, after asking."""
    age = _age(args.older_than)
    if age is None and not args.batch:
        raise SystemExit("Give --older-than (for example 30d), --batch, or both.")
    if not args.yes:
        what = f"batch {args.batch!r}" if args.batch else "every batch of the account"
        when = f" that is older than {args.older_than}" if age is not None else ""
        columns = "" if args.keep_recipients else " and recipients in the ledger"
        if not _confirmed(f"Erase kits{columns} of {what}{when}? They cannot be brought back. [y/N] "):
            raise SystemExit("Nothing was erased.")
    with readable_errors(), EsimGoHook(args.conn_id) as hook:
        hook.ledger.actor = who_types()
        done = purge(
            hook,
            older_than=age,
            batch_id=args.batch,
            keep_recipients=args.keep_recipients,
            forget_missing=args.forget_missing,
        )
    for line in (*done.kept, *done.failed):
        say(f"Kept: {line}")
    print(  # noqa: T201
        f"{done.kits} kits erased ({done.files} files), and the recipients of {done.units} units in "
        f"{done.batches} batches"
    )
    if done.failed:
        sys.exit(1)


def list_deliveries(args: Namespace) -> None:
    """Print what became of each delivery."""
    if args.state and args.state not in list(DeliveryState):
        raise SystemExit(f"There is no state {args.state}; use one of {', '.join(DeliveryState)}")
    with readable_errors(), EsimGoHook(args.conn_id) as hook:
        ledger = open_ledger()
        found = _deliveries(ledger, hook.account, args.batch)
    rows = [
        {
            "batch": one.batch_id,
            "unit": one.unit_number,
            "recipient_ref": one.recipient_ref,
            "state": one.state.value,
            "in_doubt": "yes" if one.in_doubt else "",
            "attempt": one.attempt,
            "begun": moment(one.begun_at),
            "since": moment(one.at),
            "answer": one.answer or "",
            "message_id": one.message_id,
        }
        for one in found
        if args.state in (None, one.state)
    ]
    AirflowConsole().print_as(rows, output=args.output)


def resolve(args: Namespace) -> None:
    """Record a person's decision."""
    if bool(args.recipient) == args.unknown:
        raise SystemExit("Give either --recipient RECIPIENT_REF or --unknown.")
    if args.arrived == args.send_again:
        raise SystemExit("Give either --arrived or --send-again.")
    if not args.reason or not args.reason.strip():
        raise SystemExit(
            "Give --reason: it goes into the ledger, for whoever asks about this delivery later."
        )
    with readable_errors(), EsimGoHook(args.conn_id) as hook:
        ledger = open_ledger()
        about = [
            one
            for one in _deliveries(ledger, hook.account, args.batch)
            if (one.in_doubt if args.unknown else one.recipient_ref == args.recipient)
        ]
        under_way = [one for one in about if one.under_way]
        if under_way:
            raise SystemExit(
                f"{len(under_way)} of these were begun less than {UNDER_WAY.seconds // 60} minutes ago and may be "
                "under way. Nothing was changed. Wait for the delivering task to end."
            )
        decided = {DeliveryState.SENT} if args.arrived else set()
        chosen = [one for one in about if one.state not in OPEN | decided]
        if not chosen:
            raise SystemExit(
                "There is nothing to decide: 'airflow esimgo kit deliveries' lists what was sent."
            )
        changed = decide(ledger, chosen, arrived=args.arrived, reason=args.reason)
    what = "count as delivered" if args.arrived else "may be sent again. Run the delivering task again"
    print(f"{changed} deliveries {what}.")  # noqa: T201


def _deliveries(ledger: Ledger, account: str, batch_id: str | None) -> list[Delivery]:
    batch = ledger.batch(account, batch_id) if batch_id else None
    return deliveries_of(ledger, account, batch=batch)


def _age(text: str | None) -> timedelta | None:
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,5})([hdw])", text.strip().lower())
    if found is None:
        raise SystemExit(
            f"--older-than cannot be {text!r}: it takes hours, days or weeks, like 12h, 30d or 8w."
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _confirmed(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False
