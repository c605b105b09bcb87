"""`python -m airflow_provider_esimgo.sandbox`: a local eSIM Go on the command line.

Prints its address, its key, its catalogue and its preset eSIMs; serves until it is interrupted.
With `--db` everything sold survives a restart, even a SIGKILL.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from airflow_provider_esimgo.sandbox.faults import FaultRule, read_rule
from airflow_provider_esimgo.sandbox.identifiers import DEFAULT_KEY, ORGANISATION, PRESET_ICCIDS
from airflow_provider_esimgo.sandbox.sandbox import Sandbox
from airflow_provider_esimgo.sandbox.server import listener_for
from airflow_provider_esimgo.sandbox.settings import Settings
from airflow_provider_esimgo.sandbox.store import OPENING_BALANCE, Store


def _money(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"not an amount: {text}") from None


def _rules(text: str) -> list[FaultRule]:
    try:
        content = json.loads(Path(text).read_text(encoding="utf-8"))
        return [read_rule(rule) for rule in (content if isinstance(content, list) else content["faults"])]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from None


def _switch(text: str) -> tuple[str, Any]:
    name, found, value = text.partition("=")
    if not found:
        raise argparse.ArgumentTypeError(f"not NAME=VALUE: {text}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m airflow_provider_esimgo.sandbox",
        description="A local eSIM Go to try the provider against.",
    )
    options.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    options.add_argument("--port", type=int, default=4010, help="0 picks a free one (default: %(default)s)")
    options.add_argument("--port-file", type=Path, help="write the port here once it listens")
    options.add_argument("--key", default=DEFAULT_KEY, help="API key (default: %(default)s)")
    options.add_argument(
        "--balance",
        type=_money,
        default=OPENING_BALANCE,
        help="opening balance in USD (default: %(default)s)",
    )
    options.add_argument(
        "--db", type=Path, metavar="FILE", help="keep everything in this file (default: in memory)"
    )
    options.add_argument("--seed", type=int, help="make identifiers repeat (default: new ones each start)")
    options.add_argument("--faults", type=_rules, default=[], metavar="FILE.json", help="a script of faults")
    options.add_argument("--no-rate-limit", action="store_true", help="switch the rate limiter off")
    options.add_argument(
        "--auto-lifecycle",
        type=float,
        metavar="SECONDS",
        help="eSIMs install and bundles go active by themselves this long after purchase",
    )
    options.add_argument(
        "--set",
        type=_switch,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a switch; may be repeated",
    )
    options.add_argument("--quiet", action="store_true", help="print the address only")
    return options


def banner(sandbox: Sandbox, url: str) -> str:
    bundles = sandbox.store.catalogue.values()
    wide = max(len(bundle.name) for bundle in bundles)
    rows = [
        f"  {bundle.name:<{wide}}  {bundle.price:>6.2f}  "
        f"{', '.join(one.name for one in bundle.countries)}"
        f"{f' ({len(bundle.roaming)} countries)' if len(bundle.roaming) > 4 else ''}"
        for bundle in bundles
    ]
    presets = [f"  {iccid}  {sandbox.store.esims[iccid].profile_name}" for iccid in PRESET_ICCIDS]
    return "\n".join(
        [
            f"{ORGANISATION}: a local eSIM Go",
            f"  URL      {url}/v2.5   (also {url}/v2.4; control API {url}/_sandbox; page {url}/)",
            f"  key      {sandbox.key}",
            f"  balance  {sandbox.store.balance:.2f} USD",
            "",
            f"  {'bundle':<{wide}}  {'USD':>6}  area",
            *rows,
            "",
            "  eSIMs there from the start, to top up",
            *presets,
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    switches = dict(given.set)
    if given.no_rate_limit:
        switches["rate_limit"] = None
    if given.auto_lifecycle is not None:
        switches["auto_lifecycle"] = given.auto_lifecycle
    try:
        settings = Settings().changed(switches)
    except ValueError as error:
        parser().error(str(error))
    seed = given.seed if given.seed is not None else secrets.randbelow(50_000) + 1
    store = Store(seed=seed, opening_balance=given.balance, file=given.db)
    sandbox = Sandbox(store, key=given.key, settings=settings, rules=given.faults)
    try:
        listener = listener_for(sandbox, given.host, given.port)
    except OSError as error:
        print(f"cannot listen on {given.host}:{given.port}: {error.strerror}", file=sys.stderr)
        return 1
    url = listener.url
    print(f"{url}/v2.5" if given.quiet else banner(sandbox, url), flush=True)
    if given.port_file:
        _write_port(given.port_file, listener.port)
    try:
        asyncio.run(listener.run_until_stopped())
    except KeyboardInterrupt:
        pass
    finally:
        store.close()
    return 0


def _write_port(path: Path, port: int) -> None:
    """At once, so that who waits for the file never reads half a number."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(f"{port}\n", encoding="utf-8")
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main())
