"""The vendor's catalogue, kept in a file per account, since the vendor forbids polling it [D25].

Must stay true: a copy older than `MAX_AGE` is used only where the caller says so and the vendor cannot be asked;
a copy that cannot be read counts as none; prices in it are for show, what is bought is priced by `validate`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_esimgo.api import ApiError, CatalogueBundle, Country, Outcome
from airflow_provider_esimgo.hooks.home import airflow_home
from airflow_provider_esimgo.manifest import BundleFacts as CheckedFacts

if TYPE_CHECKING:
    from airflow_provider_esimgo.hooks.esimgo import EsimGoHook

log = logging.getLogger(__name__)

MAX_AGE = timedelta(hours=24)
FORMAT = 1  # of the file; any other is fetched anew


@dataclass(frozen=True)
class BundleFacts(CheckedFacts):
    """A bundle for sale. `countries` are the ISO codes where it works; empty when the vendor does not tell."""

    description: str = ""
    data_mb: int | None = None
    days: int | None = None
    unlimited: bool = False
    price: Decimal | None = None
    profile_name: str = ""

    @classmethod
    def of(cls, bundle: CatalogueBundle) -> BundleFacts:
        return cls(
            name=bundle.name,
            description=bundle.description,
            countries=_countries((*bundle.countries, *bundle.roaming)),
            data_mb=bundle.data_mb,
            days=bundle.duration_days,
            unlimited=bundle.unlimited,
            price=bundle.price,
            profile_name=bundle.profile_name,
        )


@dataclass(frozen=True)
class Catalogue:
    """What an account can buy, as it was at `fetched_at`."""

    account: str
    bundles: Mapping[str, BundleFacts]
    fetched_at: datetime
    from_cache: bool = False
    stale: bool = False

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.bundles)

    def __str__(self) -> str:
        how = "kept since" if self.from_cache else "read from the vendor at"
        return f"catalogue of {self.account}: {len(self.bundles)} bundles, {how} {self.fetched_at:%Y-%m-%d %H:%M} UTC"


def catalogue(
    hook: EsimGoHook,
    *,
    refresh: bool = False,
    stale_ok: bool = False,
    max_age: timedelta = MAX_AGE,
    clock: Callable[[], float] = time.time,
) -> Catalogue:
    """The catalogue of the hook's account: the kept one while it is young, else the vendor's.

    Args:
        refresh: ask the vendor whatever is kept.
        stale_ok: if the vendor cannot be reached, use what is kept, however old; for linting only.

    Raises:
        ApiError: the vendor refused, or could not be reached and nothing may be used instead.
    """
    try:
        account = hook.account
        kept = None if refresh else _read(_file(account))
        if kept and _is_young(kept, max_age, clock):
            return kept
        bundles = {bundle.name: BundleFacts.of(bundle) for bundle in hook.client.list_catalogue()}
    except ApiError as error:
        if not stale_ok or error.outcome is Outcome.REFUSED:
            raise
        kept = kept_catalogue(hook, clock=clock)
        if kept is None:
            raise
        log.warning("%s cannot be reached; used instead: %s", hook.settings.host, kept)
        return kept
    fetched = Catalogue(account, bundles, _now(clock))
    if bundles:  # an empty one is more likely an accident than what is for sale: ask again next time
        _write(_file(account), fetched)
    return fetched


def kept_catalogue(hook: EsimGoHook, *, clock: Callable[[], float] = time.time) -> Catalogue | None:
    """What is kept, however old, without asking anybody.

    Of the hook's account; if it is not known yet which that is, of the only account kept for its host.
    """
    if "organisation" in hook.__dict__:
        kept = _read(_file(hook.account))
    else:
        found = [one for file in sorted(_folder().glob("catalogue-*.json")) if (one := _read(file))]
        here = [one for one in found if one.account.endswith(f"@{hook.settings.host}")]
        kept = here[0] if len(here) == 1 else None
    return kept and replace(kept, stale=not _is_young(kept, MAX_AGE, clock))


def _is_young(kept: Catalogue, max_age: timedelta, clock: Callable[[], float]) -> bool:
    """A time in the future tells that a clock was put back, not how old the copy is."""
    return timedelta() <= _now(clock) - kept.fetched_at < max_age


def _folder() -> Path:
    return airflow_home() / "esimgo-cache"


def _file(account: str) -> Path:
    return _folder() / f"catalogue-{hashlib.sha256(account.encode()).hexdigest()[:16]}.json"


def _now(clock: Callable[[], float]) -> datetime:
    return datetime.fromtimestamp(clock(), UTC)


def _countries(places: Iterable[Country]) -> frozenset[str]:
    """Two-letter codes; a longer one is a region's, whose countries are listed beside it. A bare name tells none."""
    places = tuple(places)
    if any(not place.iso for place in places):
        return frozenset()
    return frozenset(place.iso.upper() for place in places if len(place.iso) == 2)


def _read(file: Path) -> Catalogue | None:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            return None
        bundles = [_facts(one) for one in told["bundles"]]
        account, fetched_at = str(told["account"]), datetime.fromtimestamp(float(told["fetched_at"]), UTC)
        if file != _file(account) or not bundles:
            return None
    except FileNotFoundError:
        return None
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        OverflowError,
        InvalidOperation,
        RecursionError,
    ):
        log.warning("The kept catalogue %s is damaged and not used", file)
        return None
    return Catalogue(account, {facts.name: facts for facts in bundles}, fetched_at, from_cache=True)


def _write(file: Path, fetched: Catalogue) -> None:
    """Replace the file as a whole: who reads at the same time finds the old one or the new one."""
    told = {
        "format": FORMAT,
        "account": fetched.account,
        "fetched_at": fetched.fetched_at.timestamp(),
        "bundles": [_told(facts) for facts in fetched.bundles.values()],
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=".catalogue-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as opened:
                json.dump(told, opened, ensure_ascii=False)
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        log.warning(
            "The catalogue cannot be kept in %s: %s. It will be asked for again.", file, error.strerror
        )


def _told(facts: BundleFacts) -> dict[str, Any]:
    return {
        "name": facts.name,
        "description": facts.description,
        "countries": sorted(facts.countries),
        "data_mb": facts.data_mb,
        "days": facts.days,
        "unlimited": facts.unlimited,
        "price": None if facts.price is None else str(facts.price),
        "profile_name": facts.profile_name,
    }


def _facts(told: Mapping[str, Any]) -> BundleFacts:
    return BundleFacts(
        name=str(told["name"]),
        description=str(told["description"]),
        countries=frozenset(map(str, told["countries"])),
        data_mb=None if told["data_mb"] is None else int(told["data_mb"]),
        days=None if told["days"] is None else int(told["days"]),
        unlimited=bool(told["unlimited"]),
        price=None if told["price"] is None else Decimal(told["price"]),
        profile_name=str(told["profile_name"]),
    )
