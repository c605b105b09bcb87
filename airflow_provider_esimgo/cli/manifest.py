"""`airflow esimgo manifest …`: the way from a client's file to a priced plan, without a DAG. Spends nothing.

What is asked for goes to stdout, remarks to stderr; the exit status is 1 when the file has faults or may not be bought.
"""

import os
import sys
from argparse import Namespace
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from pathlib import Path

from airflow.cli.simple_table import AirflowConsole

from airflow_provider_esimgo.api import EsimGoError
from airflow_provider_esimgo.cli.session import open_ledger, readable_errors, say
from airflow_provider_esimgo.cli.template import EXPLANATIONS, template_csv
from airflow_provider_esimgo.hooks.catalogue import Catalogue, kept_catalogue
from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.hooks.files import inspect_manifest_at
from airflow_provider_esimgo.hooks.settings import SettingsError
from airflow_provider_esimgo.kit.bundle_names import in_words
from airflow_provider_esimgo.ledger.planning import check_money, plan_batch, quote_shapes
from airflow_provider_esimgo.ledger.policy import Mode
from airflow_provider_esimgo.ledger.rows import find_top_up_faults
from airflow_provider_esimgo.manifest import (
    Fault,
    Faults,
    Inspection,
    Manifest,
    ManifestError,
    expand_units,
    pack_orders,
    price_plan,
)
from airflow_provider_esimgo.manifest.card import CostCard, build_card
from airflow_provider_esimgo.manifest.faults import counted
from airflow_provider_esimgo.manifest.report import report_html


def template(args: Namespace) -> None:
    """Write an example manifest, and say beside it what each column takes."""
    text = template_csv(_known_names(args.conn_id))
    if args.file:
        try:
            with Path(args.file).open("x", newline="", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise SystemExit(
                f"{args.file} is already there and was left as it is. Name another file."
            ) from None
        except OSError as error:
            raise SystemExit(f"{args.file} cannot be written: {error.strerror}.") from None
        say(f"Written to {args.file}. Check it with: airflow esimgo manifest lint {args.file}\n")
    else:
        sys.stdout.write(text)
    say(EXPLANATIONS)


def lint(args: Namespace) -> None:
    """Print every fault of a manifest; exit status 1 on faults."""
    if args.offline and args.refresh:
        raise SystemExit("Give either --offline or --refresh.")
    with readable_errors():
        with EsimGoHook(args.conn_id) as hook:
            found = _kept(hook) if args.offline else hook.catalogue(refresh=args.refresh, stale_ok=True)
        if found:
            say(_told(found))
        else:
            say("No catalogue is kept here: bundle names were not checked. Run once without --offline.")
        inspection = _inspected(args.file, found)
    if args.report:
        _write_report(Path(args.report), inspection)
    _end_if_faulty(inspection.name, inspection.faults, args.output)
    if args.output in ("json", "yaml"):
        _print_faults(inspection.faults, args.output)
        return
    if inspection.faults:
        print(inspection.faults.table(len(inspection.faults)))  # noqa: T201
    manifest = inspection.manifest()
    print(f"{manifest.name}: {_count(manifest)}, no errors")  # noqa: T201


def plan(args: Namespace) -> None:
    """Price a manifest with the vendor's dry run and print its totals; store it only when told to."""
    if args.store and not args.batch_id:
        raise SystemExit("Give --batch-id with --store: a stored batch is found by its name.")
    max_total = _amount(args.max_total)
    with readable_errors(), EsimGoHook(args.conn_id) as hook:
        policy, currency = hook.policy, hook.settings.currency
        policy.require(Mode.VALIDATE)
        found = hook.catalogue(refresh=args.refresh)
        say(_told(found))
        inspection = _inspected(args.file, found)
        _end_if_faulty(inspection.name, inspection.faults, "table")
        manifest = inspection.manifest()
        top_ups = Faults(find_top_up_faults(hook.client, manifest))
        _end_if_faulty(inspection.name, top_ups, "table")
        drafts = pack_orders(expand_units(manifest), max_units_per_order=policy.max_units_per_order)
        priced = price_plan(
            account=hook.account,
            batch_id=args.batch_id or f"batch-{manifest.content_hash[:12]}",
            drafts=drafts,
            quotes=quote_shapes(hook.client, (draft.shape for draft in drafts), policy),
        )
        card = build_card(
            priced,
            manifest,
            client=None,
            balance=hook.organisation.balance,
            seconds_between_orders=policy.seconds_between_orders,
        )
        _print_card(card, found, args.output)
        check_money(hook.client, priced, policy=policy, currency=currency, max_total=max_total)
        if not args.store:
            say("Nothing was bought and nothing was stored.")
            return
        try:
            batch = plan_batch(
                hook.client,
                open_ledger(),
                manifest,
                account=hook.account,
                batch_id=args.batch_id,
                policy=policy,
                currency=currency,
                max_total=max_total,
            )
        except ManifestError as error:  # what only the ledger knows: rows that another batch bought
            raise SystemExit(str(error)) from None
        say(f"Stored as batch {batch.batch_id!r} with plan {batch.plan_hash[:12]}. Nothing was bought.")


def _inspected(location: str, found: Catalogue | None) -> Inspection:
    inspection = inspect_manifest_at(location, bundles=found.bundles if found else None)
    for note in inspection.notes:
        say(note)
    if found and found.from_cache and any(fault.code == "unknown_bundle" for fault in inspection.faults):
        say("If a bundle is newer than the kept catalogue, try again with --refresh.")
    return inspection


def _end_if_faulty(name: str, faults: Faults, output: str) -> None:
    """Print the faults and end with exit status 1, if one of them is an error."""
    if not faults.errors:
        return
    if output in ("json", "yaml"):
        _print_faults(faults, output)
    else:
        print(f"{name}: {counted(faults)}. Nothing was bought.\n{faults.table(len(faults))}")  # noqa: T201
    sys.exit(1)


def _write_report(file: Path, inspection: Inspection) -> None:
    """The report as a file of its own; it holds the client's rows, so only its owner may read it."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as opened:
            opened.write(report_html(inspection).encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise SystemExit(f"{file} cannot be written: {error.strerror}.") from None
    say(f"Report: {file}")


def _known_names(conn_id: str) -> frozenset[str]:
    """The catalogue's names where they can be had; a template needs no connection."""
    try:
        with EsimGoHook(conn_id) as hook:
            return hook.catalogue(stale_ok=True).names
    except (EsimGoError, SettingsError) as error:
        say(f"The bundles in the example are only examples, since the catalogue cannot be read: {error}\n")
        return frozenset()


def _kept(hook: EsimGoHook) -> Catalogue | None:
    try:
        return kept_catalogue(hook)
    except SettingsError as error:
        say(str(error))
        return None


def _told(found: Catalogue) -> str:
    return f"{found}. It is older than a day and may lack new bundles." if found.stale else str(found)


def _count(manifest: Manifest) -> str:
    blank = f", {manifest.blank_rows} blank rows skipped" if manifest.blank_rows else ""
    return f"{manifest.row_count} rows, {manifest.unit_count} units{blank}"


def _print_faults(faults: Iterable[Fault], output: str) -> None:
    AirflowConsole().print_as(
        [
            {
                "row": fault.row,
                "column": fault.column,
                "severity": fault.severity.value,
                "code": fault.code,
                "value": fault.value,
                "message": fault.message,
                "cure": fault.cure,
            }
            for fault in faults
        ],
        output=output,
    )


def _print_card(card: CostCard, found: Catalogue, output: str) -> None:
    facts = {
        "manifest": card.manifest,
        "batch": card.batch_id,
        "rows": card.rows,
        "units": card.units,
        "orders": card.orders,
        "total": f"{card.total:.2f} {card.currency}",
        "takes": f"{card.seconds:.0f} s or more",
        "plan": card.plan_hash,
    }
    bundles = [
        {
            "bundle": line.name,
            "is": _explained(line.name, found),
            "units": line.units,
            "total": f"{line.amount:.2f}",
        }
        for line in card.bundles
    ]
    centres = [
        {"cost_centre": line.name, "units": line.units, "total": f"{line.amount:.2f}"}
        for line in card.cost_centres
    ]
    console = AirflowConsole()
    if output in ("json", "yaml"):
        console.print_as([{**facts, "bundles": bundles, "cost_centres": centres}], output=output)
        return
    for rows in ([facts], bundles, centres):
        console.print_as(rows, output=output)


def _explained(name: str, found: Catalogue) -> str:
    facts = found.bundles.get(name)
    if facts is None:
        return ""
    return in_words(name, data_mb=facts.data_mb, days=facts.days, description=facts.description) or ""


def _amount(given: str | None) -> Decimal | None:
    if given is None:
        return None
    try:
        amount = Decimal(given)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise SystemExit(f"--max-total cannot be {given!r}. Give an amount such as 250.00")
    return amount
