"""What the answer to one POST /orders means for the order. Pure: values in, a value out, no I/O.

Anything that is not plainly placed, plainly refused or provably unsent is UNKNOWN.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_esimgo.api import Order as VendorOrder
from airflow_provider_esimgo.api.errors import ApiError, Outcome
from airflow_provider_esimgo.ledger.records import Order, Unit
from airflow_provider_esimgo.ledger.states import OrderState
from airflow_provider_esimgo.manifest.hashing import money_text

COMPLETED = "completed"
FAILED = "failed"


@dataclass(frozen=True)
class Answer:
    """What became of an order, why, and what to write down."""

    state: OrderState
    message: str
    reference: str | None = None
    source_ip: str | None = None
    retry_after: float = 0.0
    iccids: Mapping[int, str] | None = None  # unit key to eSIM, once the vendor has told all of them
    evidence: Mapping[str, Any] = field(default_factory=dict)


def judge_error(error: ApiError) -> Answer:
    """What a failed POST means: not sent, refused, or unknown."""
    state = {
        Outcome.NOT_SENT: OrderState.PLANNED,
        Outcome.REFUSED: OrderState.REJECTED,
        Outcome.UNKNOWN: OrderState.UNKNOWN,
    }[error.outcome]
    return Answer(
        state=state,
        message=error.message,
        retry_after=error.retry_after or 0.0,
        evidence={"error": type(error).__name__, "status": error.status, "message": error.message},
    )


def judge_answer(order: Order, units: Sequence[Unit], answer: VendorOrder) -> Answer:
    """What a readable 200 means: placed when its reference, counts and total agree, else unknown."""
    faults = contradictions(order, answer)
    iccids = None
    if not faults:
        try:
            iccids = match_iccids(units, answer)
        except ValueError as error:
            faults.append(str(error))
    return Answer(
        state=OrderState.UNKNOWN if faults else OrderState.PLACED,
        message="; ".join(faults) or answer.status_message or answer.status,
        reference=None if faults else answer.reference,
        source_ip=answer.source_ip,
        iccids=iccids,
        evidence={**vendor_evidence(answer), **({"contradictions": faults} if faults else {})},
    )


def contradictions(order: Order, answer: VendorOrder) -> list[str]:
    """In what the vendor's order differs from what was asked for; empty when it agrees."""
    faults = []
    if not lines_agree(order, answer):
        faults.append("the lines differ from those asked for")
    if answer.total is None or answer.total != order.due:
        faults.append(f"the total is {answer.total}, expected was {order.due}")
    if answer.assigned is False:
        faults.append("the bundles were not assigned to eSIMs")
    if answer.status.casefold() == FAILED:
        faults.append(f"the status is {answer.status!r}")
    if any(len(line.iccids) > line.quantity for line in answer.bundle_lines):
        faults.append("there are more eSIMs than units")
    return faults


Line = tuple[str, int, frozenset[str]]


def lines_agree(order: Order, answer: VendorOrder) -> bool:
    """Whether the vendor's order has the same multiset of lines: item, quantity, and eSIMs where topped up.

    A line for new eSIMs comes back with the ICCIDs that were issued, which say nothing about what was asked;
    a line that names no ICCID yet may be either kind.
    """
    asked: Counter[Line] = Counter(
        (line.item, line.quantity, frozenset(line.iccids)) for line in order.request.lines
    )
    topped_up = {iccid for line in order.request.lines for iccid in line.iccids}
    untold: list[Line] = []
    for line in answer.bundle_lines:
        told = frozenset(line.iccids)
        if not told:
            untold.append((line.item, line.quantity, told))
        elif not _take(asked, (line.item, line.quantity, told if told & topped_up else frozenset())):
            return False
    for item, quantity, _ in untold:
        alike = [line for line in asked if line[:2] == (item, quantity)]
        if not alike or not _take(asked, alike[0]):
            return False
    return not +asked


def _take(asked: Counter[Line], line: Line) -> bool:
    if asked[line] < 1:
        return False
    asked[line] -= 1
    if not asked[line]:
        del asked[line]
    return True


def match_iccids(units: Sequence[Unit], answer: VendorOrder) -> dict[int, str] | None:
    """Which unit is on which eSIM: unit key to ICCID; None while the vendor has not told all of them.

    Raises:
        ValueError: the vendor used other eSIMs than asked for.
    """
    topped_up = {unit.topped_up for unit in units if unit.topped_up}
    issued: dict[str, list[str]] = {}
    used: set[str] = set()
    for line in answer.bundle_lines:
        if topped_up.intersection(line.iccids):
            used.update(line.iccids)
        else:
            issued.setdefault(line.item, []).extend(line.iccids)
    matched: dict[int, str] = {}
    for unit in sorted(units, key=lambda unit: unit.number):
        if unit.topped_up:
            if unit.topped_up in used:
                matched[unit.key] = unit.topped_up
        elif issued.get(unit.bundle):
            matched[unit.key] = issued[unit.bundle].pop(0)
    told = sum(len(line.iccids) for line in answer.bundle_lines)
    if told >= len(units) and len(matched) < len(units):
        raise ValueError("the vendor used other eSIMs than the ones asked for")
    if len(set(matched.values())) < len(matched):
        raise ValueError("the vendor names one eSIM for several units")
    return matched if len(matched) == len(units) else None


def vendor_evidence(answer: VendorOrder) -> dict[str, Any]:
    """What the ledger keeps of a vendor's order: no code, no matching id."""
    return {
        "reference": answer.reference,
        "status": answer.status,
        "statusMessage": answer.status_message,
        "total": None if answer.total is None else money_text(answer.total),
        "currency": answer.currency,
        "createdDate": answer.created,
        "assigned": answer.assigned,
        "sourceIP": answer.source_ip,
        "lines": [
            {"item": line.item, "quantity": line.quantity, "iccids": len(line.iccids)}
            for line in answer.bundle_lines
        ],
    }
