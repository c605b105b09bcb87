"""`airflow esimgo check`: is everything in place? One line each, with a cure; reads only, and changes nothing.

Must stay true: the key is in no line, and one thing that fails hides none of the others.
"""

import platform
import sys
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from airflow_provider_esimgo.api import EsimGoError, Organisation, RateLimit
from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.hooks.ledger import executors, ledger_url, refuse_sqlite_if_distributed
from airflow_provider_esimgo.hooks.settings import ConnectionSettings, SettingsError
from airflow_provider_esimgo.ledger import migrations
from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.errors import LedgerError
from airflow_provider_esimgo.ledger.policy import Mode, PurchasePolicy

#: The reconciler looks this much to either side of an order's time (design §6.3).
TOLERATED_SKEW = timedelta(seconds=60)


class Verdict(StrEnum):
    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """What was found about one subject; anything but OK says the cure."""

    verdict: Verdict
    subject: str
    told: str

    def __str__(self) -> str:
        return f"{self.verdict:<4}  {self.subject:<10}  {self.told}"


def check(args: Namespace) -> None:
    """Print a line for each subject; exit status 1 when one fails."""
    failed = False
    for finding in findings(args.conn_id):
        print(finding, flush=True)  # noqa: T201
        failed = failed or finding.verdict is Verdict.FAIL
    if failed:
        sys.exit(1)


def findings(conn_id: str) -> Iterator[Finding]:
    """Look at everything, the cheapest first."""
    yield _versions()
    with EsimGoHook(conn_id) as hook:
        yield from _connection(hook)
    yield _ledger()


def _versions() -> Finding:
    parts = [
        f"{name} {version(name)}" for name in ("airflow-provider-esimgo", "apache-airflow", "SQLAlchemy")
    ]
    return Finding(Verdict.OK, "versions", ", ".join([*parts, f"Python {platform.python_version()}"]))


def _connection(hook: EsimGoHook) -> Iterator[Finding]:
    try:
        settings = hook.settings
    except SettingsError as error:
        yield Finding(Verdict.FAIL, "connection", str(error))
        return
    yield judge_address(settings)
    yield judge_mode(settings.policy)
    try:
        organisation = hook.organisation
    except EsimGoError as error:
        yield Finding(Verdict.FAIL, "account", str(error))
        return
    yield Finding(Verdict.OK, "account", hook.account)
    yield judge_balance(organisation, settings.currency)
    yield judge_skew(hook.client.clock_skew)
    yield judge_rate(hook.client.rate_limit, settings.requests_per_second)


def judge_address(settings: ConnectionSettings) -> Finding:
    told = f"{settings.conn_id} at {settings.base_url}"
    if settings.unencrypted:
        return Finding(
            Verdict.WARN, "connection", f"{told}: the key can be read on the way. Use https:// in its host."
        )
    return Finding(Verdict.OK, "connection", told)


def judge_mode(policy: PurchasePolicy) -> Finding:
    mode = policy.mode
    if mode is Mode.TRANSACT and policy.max_daily_total is None:
        told = "may buy, without a limit a day. Set max_daily_total in the connection's extra."
        return Finding(Verdict.WARN, "mode", f"{mode}: {told}")
    if mode is Mode.TRANSACT:
        return Finding(Verdict.OK, "mode", f"{mode}: may buy, at most {policy.max_daily_total:,.2f} a day")
    means = "looks only" if mode is Mode.READ else "prices orders, buys nothing"
    return Finding(
        Verdict.OK, "mode", f'{mode}: {means}; "mode": "transact" in the connection\'s extra lets it buy'
    )


def judge_balance(organisation: Organisation, expected: str | None) -> Finding:
    if expected and organisation.currency and organisation.currency != expected:
        return Finding(
            Verdict.FAIL,
            "balance",
            f"is in {organisation.currency}, but the connection expects {expected}: no plan would be accepted. "
            "Correct 'currency' in the connection's extra, or use the account that pays in it.",
        )
    if organisation.balance is None:
        return Finding(
            Verdict.WARN,
            "balance",
            "is not told, so that plans cannot be held against it. Look into the portal.",
        )
    told = f"{organisation.balance:,.2f} {organisation.currency}".rstrip()
    if organisation.balance <= Decimal(0):
        return Finding(
            Verdict.WARN, "balance", f"{told}: nothing can be bought. Top up in the vendor's portal."
        )
    return Finding(Verdict.OK, "balance", told)


def judge_skew(skew: timedelta | None) -> Finding:
    if skew is None:
        return Finding(
            Verdict.WARN, "clock", "the vendor's replies bear no time. Check a proxy that may remove 'Date'."
        )
    seconds = skew.total_seconds()
    told = f"{abs(seconds):.0f} s {'behind' if seconds > 0 else 'ahead of'} the vendor's"
    if abs(skew) > TOLERATED_SKEW:
        return Finding(
            Verdict.WARN, "clock", f"{told}: leases and logs will mislead. Set this machine's clock by NTP."
        )
    return Finding(Verdict.OK, "clock", told if abs(seconds) >= 1 else "agrees with the vendor's")


def judge_rate(rate: RateLimit | None, wanted: float) -> Finding:
    if rate is None or rate.limit is None:
        return Finding(
            Verdict.OK, "rate limit", f"{wanted:g} requests a second; the vendor tells none of its own"
        )
    told = f"{wanted:g} requests a second, the vendor allows {rate.limit} and has {rate.remaining} left"
    if rate.limit < wanted:
        return Finding(
            Verdict.WARN,
            "rate limit",
            f"{told}: its limit is obeyed. Lower requests_per_second in the connection's extra.",
        )
    return Finding(Verdict.OK, "rate limit", told)


def _ledger() -> Finding:
    try:
        url = ledger_url()
        if url.startswith("sqlite"):
            refuse_sqlite_if_distributed(executors())
            if (path := _missing_file(url)) is not None:
                return Finding(Verdict.OK, "ledger", f"none yet; the first plan makes {path}")
        database = Database.connect(url)
        try:
            return _look(database)
        finally:
            database.close()
    except LedgerError as error:
        return Finding(Verdict.FAIL, "ledger", str(error))


def _missing_file(url: str) -> str | None:
    """The SQLite file that is not there yet: opening the database would make it."""
    try:
        path = make_url(url).database or ""
    except ArgumentError:
        return None  # told better where it is opened
    usual = path and not path.startswith("file:") and ":memory:" not in path
    return path if usual and not Path(path).exists() else None


def _look(database: Database) -> Finding:
    """The schema as it is: unlike opening the ledger, this upgrades nothing."""
    try:
        schema = migrations.current_version(database.engine)
    except SQLAlchemyError as error:
        raise database.unavailable(error) from error
    if schema == migrations.HEAD:
        return Finding(Verdict.OK, "ledger", f"{database.address}, schema {schema}")
    if database.engine.dialect.name == "sqlite" and schema in migrations.OLDER:
        told = f"{database.address}, schema {schema or 'none'}; the next plan brings it to {migrations.HEAD}"
        return Finding(Verdict.OK, "ledger", told)
    database.check_schema()
    raise AssertionError("a schema that is not this package's passed")
