"""The tree of commands, in Airflow's own form. Loaded by every `airflow` call, so it imports no more than that form.

Under Airflow 3.1, which does not read a provider's commands, the same tree is `python -m airflow_provider_esimgo`.
"""

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

from airflow.cli.cli_config import ActionCommand, Arg, CLICommand, GroupCommand

_CONN_ID = Arg(("--conn-id",), help="the eSIM Go connection", default="esimgo_default")
_OUTPUT = Arg(
    ("-o", "--output"), help="how to print", choices=("table", "plain", "json", "yaml"), default="table"
)
_REFRESH = Arg(
    ("--refresh",),
    action="store_true",
    help="ask the vendor for the catalogue, however young the kept one is",
)
_FILE = Arg(("file",), help="path or URL of the manifest")
_ORDER = Arg(("order",), help="the order's key, as 'orders list' shows it", type=int)


def _lazy(name: str) -> Callable[[Any], Any]:
    """Import what a command needs only when it is run."""

    def run(args: Any) -> Any:
        # as `airflow connections test` does: without it, connections kept in Airflow's database are not found,
        # and the commands would look at another ledger than the tasks
        os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
        module, _, function = name.rpartition(".")
        return getattr(import_module(f"airflow_provider_esimgo.cli.{module}"), function)(args)

    return run


def get_esimgo_commands() -> list[CLICommand]:
    """What `airflow esimgo` offers."""
    orders = GroupCommand(
        name="orders",
        help="Look at orders, and decide about those that wait for a person",
        subcommands=(
            ActionCommand(
                name="list",
                help="List orders, the newest batch first",
                func=_lazy("orders.list_orders"),
                args=(
                    Arg(("--batch",), help="only this batch"),
                    Arg(("--state",), help="only orders in this state, for example REVIEW", type=str.upper),
                    _OUTPUT,
                ),
            ),
            ActionCommand(
                name="show",
                help="Show an order with its units and its whole history",
                func=_lazy("orders.show_order"),
                args=(_ORDER, _OUTPUT),
            ),
            ActionCommand(
                name="resolve",
                help="Decide what became of an order in REVIEW",
                description=(
                    "Say that a vendor's order is this order (--adopt), or that this order never took effect "
                    "(--never-placed), so that the next run sends it. Who, when and why are recorded."
                ),
                func=_lazy("orders.resolve_order"),
                args=(
                    _ORDER,
                    Arg(("--adopt",), metavar="REFERENCE", help="the vendor's reference that is this order"),
                    Arg(("--never-placed",), action="store_true", help="it never took effect"),
                    Arg(("--reason",), help="why; goes into the ledger"),
                    _CONN_ID,
                ),
            ),
        ),
    )
    ledger = GroupCommand(
        name="ledger",
        help="Check, export and upgrade the ledger",
        subcommands=(
            ActionCommand(
                name="check",
                help="Hold the ledger against its promises; exit status 1 when one is broken",
                func=_lazy("ledger.check"),
                args=(),
            ),
            ActionCommand(
                name="export",
                help="Write every unit with its order and batch; no code is in the ledger",
                func=_lazy("ledger.export"),
                args=(
                    Arg(("--batch",), help="only this batch"),
                    Arg(("--format",), choices=("csv", "json"), default="csv", help="csv or json"),
                    Arg(("--file",), help="write here instead of to the terminal"),
                ),
            ),
            ActionCommand(
                name="upgrade",
                help="Create the ledger's tables or bring them to this package's version",
                func=_lazy("ledger.upgrade"),
                args=(),
            ),
        ),
    )
    manifest = GroupCommand(
        name="manifest",
        help="Write, check and price a manifest without a DAG; spends nothing",
        subcommands=(
            ActionCommand(
                name="template",
                help="Write an example manifest, and say what each column takes",
                func=_lazy("manifest.template"),
                args=(Arg(("--file",), help="write here instead of to the terminal"), _CONN_ID),
            ),
            ActionCommand(
                name="lint",
                help="Tell every fault of a manifest at once; exit status 1 on faults",
                func=_lazy("manifest.lint"),
                args=(
                    _FILE,
                    Arg(("--report",), metavar="FILE.html", help="write the rows with their faults marked"),
                    Arg(
                        ("--offline",), action="store_true", help="ask nobody: use the kept catalogue, if any"
                    ),
                    _REFRESH,
                    _OUTPUT,
                    _CONN_ID,
                ),
            ),
            ActionCommand(
                name="plan",
                help="Check a manifest and price it with the vendor's dry run; stores nothing unless told to",
                func=_lazy("manifest.plan"),
                args=(
                    _FILE,
                    Arg(("--max-total",), help="refuse a plan that costs more, for example 500.00"),
                    Arg(
                        ("--store",),
                        action="store_true",
                        help="freeze the plan in the ledger; needs --batch-id",
                    ),
                    Arg(("--batch-id",), help="the batch's name"),
                    _REFRESH,
                    _OUTPUT,
                    _CONN_ID,
                ),
            ),
        ),
    )
    catalogue = GroupCommand(
        name="catalogue",
        help="Look at what can be bought",
        subcommands=(
            ActionCommand(
                name="list",
                help="List the bundles in words, from the catalogue kept for a day",
                func=_lazy("catalogue.list_bundles"),
                args=(
                    Arg(("--country",), help="only those that work in this country (ISO 3166 code)"),
                    _REFRESH,
                    _OUTPUT,
                    _CONN_ID,
                ),
            ),
        ),
    )
    kit = GroupCommand(
        name="kit",
        help="Make kits again, purge them, and look after their delivery; buys nothing",
        subcommands=(
            ActionCommand(
                name="export",
                help="Write a kit of what was bought, with the current profile states",
                description=(
                    "Write a kit of a batch, of orders, of eSIMs or of recipients to DESTINATION/<name>/. Codes of "
                    "eSIMs that are on a device already are withheld, unless --even-if-installed."
                ),
                func=_lazy("kit.export"),
                args=(
                    Arg(("--batch",), help="everything of this batch"),
                    Arg(
                        ("--order",), action="append", metavar="REFERENCE", help="this order; may be repeated"
                    ),
                    Arg(("--iccid",), action="append", help="this eSIM; may be repeated"),
                    Arg(
                        ("--recipient",),
                        action="append",
                        metavar="RECIPIENT_REF",
                        help="everything of this recipient; may be repeated",
                    ),
                    Arg(("--destination",), help="folder or URL; the working folder by default", default="."),
                    Arg(
                        ("--manifest",),
                        help="the client's file, for names, addresses and the client's own columns",
                    ),
                    Arg(
                        ("--format",),
                        action="append",
                        help="a file for device management: intune, knox or android_management; may be repeated",
                    ),
                    Arg(
                        ("--verify",),
                        choices=("all", "sample", "none"),
                        default="sample",
                        help="how many QR images are read back",
                    ),
                    Arg(
                        ("--even-if-installed",),
                        action="store_true",
                        help="hand out the codes of installed eSIMs, too",
                    ),
                    Arg(("--storage-conn-id",), help="Airflow connection for the object store"),
                    _CONN_ID,
                ),
            ),
            ActionCommand(
                name="purge",
                help="Remove kits, and what the ledger holds about people; the money rows stay",
                func=_lazy("kit.purge_kits"),
                args=(
                    Arg(("--older-than",), metavar="AGE", help="for example 30d, 12h or 8w"),
                    Arg(("--batch",), help="only this batch"),
                    Arg(("--keep-recipients",), action="store_true", help="remove the kits only"),
                    Arg(
                        ("--forget-missing",),
                        action="store_true",
                        help="take kits for gone that another machine wrote and this one cannot see",
                    ),
                    Arg(("-y", "--yes"), action="store_true", help="do not ask"),
                    _CONN_ID,
                ),
            ),
            ActionCommand(
                name="deliveries",
                help="List what was e-mailed, and what became of it; without addresses, which are not kept",
                func=_lazy("kit.list_deliveries"),
                args=(
                    Arg(("--batch",), help="only this batch"),
                    Arg(("--state",), help="only in this state, for example UNKNOWN", type=str.upper),
                    _OUTPUT,
                    _CONN_ID,
                ),
            ),
            ActionCommand(
                name="resolve",
                help="Decide what became of deliveries in doubt, or send somebody another",
                description=(
                    "Say that messages arrived (--arrived), or that the next run may send another (--send-again). Who, "
                    "when and why are recorded."
                ),
                func=_lazy("kit.resolve"),
                args=(
                    Arg(("--batch",), help="the batch", required=True),
                    Arg(("--recipient",), metavar="RECIPIENT_REF", help="everything of this recipient"),
                    Arg(("--unknown",), action="store_true", help="everything of unknown outcome"),
                    Arg(("--arrived",), action="store_true", help="it arrived"),
                    Arg(("--send-again",), action="store_true", help="the next run may send another"),
                    Arg(("--reason",), help="why; goes into the ledger"),
                    _CONN_ID,
                ),
            ),
        ),
    )
    check = ActionCommand(
        name="check",
        help="Check connection, account, clock, rate limit, ledger and versions; exit status 1 on a failure",
        func=_lazy("check.check"),
        args=(_CONN_ID,),
    )
    return [
        GroupCommand(
            name="esimgo",
            help="eSIM Go: manifests, orders, kits and ledger",
            subcommands=(check, manifest, catalogue, orders, kit, ledger),
        )
    ]
