"""The example manifest: a row for each case, and the explanations that a CSV has no room for.

Must stay true: what it writes lints clean and names no eSIM, so that it can be priced as it is.
"""

import csv
import io
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

_COLUMNS = (
    "recipient_ref",
    "bundle",
    "quantity",
    "iccid",
    "cost_centre",
    "country",
    "install_by",
    "name",
    "email",
)
_USUAL = ("esim_1GB_7D_GB_V2", "esim_5GB_30D_US_V2", "esim_3GB_30D_REUP_V2")

EXPLANATIONS = """\
One row asks for a bundle for a recipient. The order of the columns is free; other columns are ignored.

  recipient_ref  required. Your own id of the person or device: 1 to 64 characters, once per bundle
  bundle         required. The catalogue's name, exact in case: airflow esimgo catalogue list
  quantity       how many eSIMs, 1 to 1000; empty is 1
  iccid          an eSIM to top up instead of issuing a new one; quantity is then 1. Set the spreadsheet's
                 column to text first: as a number the ICCID loses its last digits
  cost_centre    for budgets and reports
  country        where it will be used, as an ISO 3166 code such as GB
  install_by     a date such as 2026-03-31
  name, email    for the printed kit only: never in the ledger, XCom or logs

The example's first row has the two required columns only, the second everything but an ICCID, the third a quantity."""


def template_csv(names: Collection[str] = (), *, today: datetime | None = None) -> str:
    """The example as CSV, with bundles out of `names` if it knows any."""
    single, other, several = _bundles(names)
    day = ((today or datetime.now(UTC)) + timedelta(days=30)).date().isoformat()
    rows = (
        {"recipient_ref": "EMP-1001", "bundle": single},
        {
            "recipient_ref": "EMP-1002",
            "bundle": other,
            "quantity": "1",
            "cost_centre": "SALES",
            "install_by": day,
            "name": "Ada Example",
            "email": "ada@client.example",
        },
        {"recipient_ref": "POOL-LONDON", "bundle": several, "quantity": "3", "cost_centre": "FACILITIES"},
    )
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _bundles(names: Collection[str]) -> tuple[str, str, str]:
    """Three names to show: usual ones where they are for sale, else the first there are."""
    if not names:
        return _USUAL
    known = [*(name for name in _USUAL if name in names), *sorted(set(names) - set(_USUAL))]
    return known[0], known[1 % len(known)], known[2 % len(known)]
