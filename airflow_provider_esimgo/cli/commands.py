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
    return [GroupCommand(name="esimgo", help="eSIM Go: orders and ledger", subcommands=(orders, ledger))]
