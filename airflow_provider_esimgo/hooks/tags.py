"""Writes the client's reference on each eSIM at the vendor (`customerRef`), so that the portal shows whose it is.

Setting one twice is harmless. What is set already is left alone, as far as the vendor's own list tells, so that a
second run goes on where the first one stopped. No name or address can be in a reference: none is in the ledger.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from string import Formatter

from airflow_provider_esimgo.api import (
    ApiError,
    EsimGoClient,
    NotSentError,
    RefusedError,
    UnknownOutcomeError,
)
from airflow_provider_esimgo.hooks.settings import SettingsError
from airflow_provider_esimgo.ledger.holdings import Holding

log = logging.getLogger(__name__)

DEFAULT_TEMPLATE = "{batch_id}/{recipient_ref}"
FIELDS = ("batch_id", "recipient_ref", "bundle", "cost_centre", "iccid")
_TRIES = 3
_TELL_EVERY = 100
_GIVE_UP_AFTER = 5  # refusals in a row from the start: that is the key or the mode, not an eSIM


@dataclass(frozen=True)
class Tagged:
    """How many eSIMs were named by this run, bore their name before, or were refused by the vendor."""

    set: int
    already: int
    refused: int


def check_template(template: str) -> None:
    """Raises `SettingsError` for a template that cannot be filled in."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise SettingsError(f"The template {template!r} cannot be read: {error}. Nothing was sent.") from None
    unknown = [
        f"{field}{f'!{conversion}' if conversion else ''}{f':{spec}' if spec else ''}"
        for _, field, spec, conversion in parts
        if field is not None and (field not in FIELDS or spec or conversion)
    ]
    if unknown or not template.strip():
        raise SettingsError(
            f"The template {template!r} {f'names {unknown[0]!r}' if unknown else 'is empty'}. Nothing was sent. "
            f"It takes {', '.join('{' + name + '}' for name in FIELDS)}; names of people are not known here."
        )


def tag_esims(client: EsimGoClient, holdings: Sequence[Holding], template: str = DEFAULT_TEMPLATE) -> Tagged:
    """Name the eSIMs of a batch.

    Args:
        template: how a reference is made of `FIELDS`. An eSIM of several units gets that of the first.
    """
    check_template(template)
    wanted: dict[str, str] = {}
    for holding in holdings:
        wanted.setdefault(holding.unit.iccid or "", template.format(**_fields(holding)))
    there = dict(_named_already(client, template, holdings[0].batch_id, len(wanted))) if holdings else {}
    to_set = {iccid: reference for iccid, reference in wanted.items() if there.get(iccid) != reference}
    refused = 0
    for number, (iccid, reference) in enumerate(to_set.items(), 1):
        try:
            _set(client, iccid, reference)
        except RefusedError as error:
            refused += 1
            if refused == number == _GIVE_UP_AFTER:
                raise
            log.warning("eSIM %s cannot be named: %s", iccid, error)
        if number % _TELL_EVERY == 0:
            log.info("%d of %d eSIMs are named", number, len(to_set))
    return Tagged(len(to_set) - refused, len(wanted) - len(to_set), refused)


def _fields(holding: Holding) -> Mapping[str, str]:
    unit = holding.unit
    values = (holding.batch_id, unit.recipient_ref, unit.bundle, unit.cost_centre or "", unit.iccid or "")
    return dict(zip(FIELDS, values, strict=True))


def _set(client: EsimGoClient, iccid: str, reference: str) -> None:
    for attempt in range(1, _TRIES + 1):
        try:
            client.set_customer_ref(iccid, reference)
        except (NotSentError, UnknownOutcomeError):
            if attempt == _TRIES:
                raise
        else:
            return


def _named_already(
    client: EsimGoClient, template: str, batch_id: str, count: int
) -> Iterator[tuple[str, str]]:
    """What the vendor lists under what all these references begin with; nothing where they begin differently.

    The list is a help, not a proof: a vendor that does not filter costs a few pages, and then all are set again.
    """
    beginning = ""
    for literal, field, _, _ in Formatter().parse(template):
        beginning += literal
        if field not in (None, "batch_id"):
            break
        beginning += batch_id if field else ""
    if not beginning:
        return
    try:
        for esim in islice(client.list_esims(filter_by="customerRef", filter=beginning), 2 * count + 100):
            yield esim.iccid, esim.customer_ref
    except ApiError as error:
        log.info("Which eSIMs are named already cannot be read (%s): all are named", error)
