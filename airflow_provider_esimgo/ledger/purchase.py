"""Buys one order, at most once (design §6.2, steps 3 to 5).

What must stay true, whatever line the process dies at:
- the intent (SENDING, attempt, owner, time, balance) is committed before the POST leaves;
- the POST is called once per committed intent, by the worker that holds the account's lease;
- the outcome is committed only onto the attempt and owner that sent it; a late one is never silent.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from airflow_provider_esimgo.api import EsimGoClient
from airflow_provider_esimgo.api.errors import ApiError
from airflow_provider_esimgo.ledger.errors import LeaseLost, LedgerUnavailable, OutcomeUnknown, PlanRefused
from airflow_provider_esimgo.ledger.late import record_late_answer
from airflow_provider_esimgo.ledger.lease import Lease
from airflow_provider_esimgo.ledger.outcome import Answer, judge_answer, judge_error
from airflow_provider_esimgo.ledger.policy import Mode, PurchasePolicy
from airflow_provider_esimgo.ledger.records import Order
from airflow_provider_esimgo.ledger.states import OrderState
from airflow_provider_esimgo.ledger.store import Fenced, Ledger
from airflow_provider_esimgo.manifest.hashing import money_text

log = logging.getLogger(__name__)


class Step(StrEnum):
    """The moments of a purchase, told to `on_step`: where a crash test kills the process."""

    LEASED = "leased"
    RESOLVED = "resolved"
    PACED = "paced"
    INTENT_WRITTEN = "intent written, not committed"
    INTENT_COMMITTED = "intent committed"
    LEASE_CHECKED = "lease checked, about to send"
    ANSWERED = "answered"
    OUTCOME_WRITTEN = "outcome written, not committed"
    OUTCOME_COMMITTED = "outcome committed"


OnStep = Callable[[Step], None]


def ignore_step(_step: Step) -> None:
    """Outside of tests nobody watches the steps."""


#: Orders are paced from when they leave here; 1 % on top keeps an uneven network from closing the gap.
_PACE_MARGIN = 1.01

#: Seconds to wait before another try to write an outcome down, while the ledger cannot be reached.
_OUTCOME_WAITS = (0.0, 1.0, 4.0)


def buy_order(
    client: EsimGoClient,
    ledger: Ledger,
    lease: Lease,
    order: Order,
    policy: PurchasePolicy,
    *,
    leave: Callable[[Connection], None] = lambda _: None,
    on_step: OnStep = ignore_step,
    sleep: Callable[[float], None] = time.sleep,
) -> Answer:
    """Send one planned order and record what came of it. The caller holds the lease.

    Args:
        leave: raises `PlanRefused` unless the order may be sent; asked in the transaction of the intent.

    Returns:
        What came of it: PLACED, REJECTED, UNKNOWN, or PLANNED where it provably was not sent.

    Raises:
        LeaseLost: another worker took over before the POST; this order was not sent.
        PlanRefused: the mode or a cap forbids it; it was not sent.
        OutcomeUnknown: it was sent, and the ledger could not be told what came of it.
        OrderInReview: it took effect after another worker had planned it again.
        SuspectedDuplicate: it took effect after another worker had taken it over.
    """
    policy.require(Mode.TRANSACT)
    balance = client.get_organisation().balance
    while (wait := lease.until_next_order()) > 0:
        sleep(wait)
    on_step(Step.PACED)
    sent = _commit_intent(ledger, lease, order, policy, balance, leave, on_step)
    on_step(Step.INTENT_COMMITTED)
    if (sent.request, sent.due) != (order.request, order.due):
        _take_back(ledger, sent, "it was quoted or planned anew at this moment")
        raise LeaseLost(
            f"Order {order.number} was quoted or planned anew by another worker at this moment. It was not sent. "
            "Run the task again: it goes on where the ledger stands."
        )
    units = ledger.units_of(sent)
    if not lease.held(for_seconds=policy.lease_seconds / 2):
        _take_back(ledger, sent, "lease ran out before sending")
        raise LeaseLost(
            f"This worker was held up between writing down order {order.number} and sending it, and its claim on "
            f"account {order.account!r} ran out. The order was not sent. Run the task again."
        )
    on_step(Step.LEASE_CHECKED)
    request = replace(sent.request, profile_id=policy.profile_id)
    started = time.monotonic()
    try:
        answer = judge_answer(sent, units, client.place_order(request))
    except ApiError as error:
        answer = judge_error(error)
    except BaseException as error:  # killed by a signal: the POST may be under way
        with suppress(OutcomeUnknown):  # what interrupted us matters more
            _commit_outcome(ledger, lease, sent, _interrupted(error), policy, started, ignore_step, sleep)
        raise
    on_step(Step.ANSWERED)
    _commit_outcome(ledger, lease, sent, answer, policy, started, on_step, sleep)
    on_step(Step.OUTCOME_COMMITTED)
    return answer


def _commit_intent(
    ledger: Ledger,
    lease: Lease,
    order: Order,
    policy: PurchasePolicy,
    balance: Decimal | None,
    leave: Callable[[Connection], None],
    on_step: OnStep,
) -> Order:
    """Write down that this order is being sent: the last thing before the money may move."""
    if balance is not None and balance - policy.reserve < order.due:
        raise PlanRefused(
            f"The balance is {balance:,.2f}, order {order.number} costs {order.due:,.2f}"
            + (f" and {policy.reserve:,.2f} is the reserve" if policy.reserve else "")
            + ". This order was not sent. Top up and run the task again: it goes on from here."
        )
    if policy.max_order_total is not None and order.due > policy.max_order_total:
        raise PlanRefused(
            f"Order {order.number} costs {order.due:,.2f}, more than max_order_total={policy.max_order_total} "
            "of the connection. It was not sent. Raise the cap, or lower max_units_per_order and plan again."
        )
    balance_text = None if balance is None else money_text(balance)
    attempt = order.attempt + 1
    with ledger.database.write() as connection:
        lease.renew(connection, next_order_in=policy.seconds_between_orders * _PACE_MARGIN)
        leave(connection)
        now = ledger.database.now(connection)
        _check_daily_total(ledger, connection, order, policy, now)
        try:
            ledger.move(
                connection,
                order,
                OrderState.SENDING,
                attempt=attempt,
                owner=lease.owner,
                sent_at=now,
                unknown_at=None,
                looks=0,
                balance_before=balance_text,
                evidence={"units": order.unit_count, "total": money_text(order.due), "balance": balance_text},
            )
        except Fenced:
            raise LeaseLost(
                f"Order {order.number} was changed by another worker at this moment. This worker did not send it. "
                "Run the task again: it goes on where the ledger stands."
            ) from None
        on_step(Step.INTENT_WRITTEN)
    return ledger.order(order.key)


def _check_daily_total(
    ledger: Ledger, connection: Connection, order: Order, policy: PurchasePolicy, now: int
) -> None:
    if policy.max_daily_total is None:
        return
    midnight = datetime.fromtimestamp(now / 1000, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    spent = ledger.spent_since(connection, order.account, round(midnight.timestamp() * 1000))
    if spent + order.due > policy.max_daily_total:
        raise PlanRefused(
            f"Account {order.account!r} has spent {spent:,.2f} today (UTC), and order {order.number} costs "
            f"{order.due:,.2f}: together more than max_daily_total={policy.max_daily_total} of the connection. "
            "This order was not sent. Run the task again tomorrow, or raise the cap."
        )


def _take_back(ledger: Ledger, sent: Order, why: str) -> None:
    """The intent was written, but the order not sent: plan it again, unless somebody already took over."""
    try:
        with ledger.database.write() as connection:
            ledger.move(
                connection,
                sent,
                OrderState.PLANNED,
                evidence={"why": why},
                owner=None,
            )
    except Fenced:
        log.warning("Order %d was taken over by another worker before it was sent", sent.number)


def _interrupted(error: BaseException) -> Answer:
    return Answer(
        state=OrderState.UNKNOWN,
        message=f"interrupted while the vendor was answering ({type(error).__name__})",
        evidence={"interrupted": type(error).__name__},
    )


def _commit_outcome(
    ledger: Ledger,
    lease: Lease,
    sent: Order,
    answer: Answer,
    policy: PurchasePolicy,
    started: float,
    on_step: OnStep,
    sleep: Callable[[float], None],
) -> None:
    """Write down what came of the POST, trying again while the ledger is away: money may have moved."""
    for wait in _OUTCOME_WAITS:
        if wait:
            sleep(wait)
        try:
            _write_or_tell(ledger, lease, sent, answer, policy, started, on_step)
        except LedgerUnavailable as error:
            log.warning("What came of order %d is not written down yet: %s", sent.number, error)
            failure = error
        else:
            return
    told = answer.evidence.get("reference") or answer.message
    raise OutcomeUnknown(
        f"Order {sent.number} was sent and the vendor answered ({told}), but the ledger could not be told: "
        f"{failure} Money may have been spent. The ledger has the order as being sent and will not send it again "
        "before it knows: when the ledger is back, run the task again, and it finds the order in the vendor's list."
    ) from failure


def _write_or_tell(
    ledger: Ledger,
    lease: Lease,
    sent: Order,
    answer: Answer,
    policy: PurchasePolicy,
    started: float,
    on_step: OnStep,
) -> None:
    """Write the outcome down if the order still is ours; else make the late answer known."""
    try:
        try:
            _write_outcome(ledger, lease, sent, answer, policy, started, on_step)
        except IntegrityError:  # the vendor named a reference that another order already claims
            unclear = Answer(
                state=OrderState.UNKNOWN,
                message=f"the vendor answered with reference {answer.reference}, which another order has",
                evidence=answer.evidence,
            )
            _write_outcome(ledger, lease, sent, unclear, policy, started, on_step)
    except Fenced:
        record_late_answer(ledger, sent, answer)


def _write_outcome(
    ledger: Ledger,
    lease: Lease,
    sent: Order,
    answer: Answer,
    policy: PurchasePolicy,
    started: float,
    on_step: OnStep,
) -> None:
    with ledger.database.write() as connection:
        lease.lock_account(connection)
        now = ledger.database.now(connection)
        values: dict[str, Any] = {"message": answer.message, "reference": answer.reference}
        if answer.state is OrderState.UNKNOWN:
            values["unknown_at"] = now
        ledger.move(connection, sent, answer.state, evidence=answer.evidence, **values)
        if answer.iccids is not None:
            ledger.assign(connection, replace(sent, state=answer.state), answer.iccids)
        waited = time.monotonic() - started
        lease.push_back(
            connection, now + round((policy.seconds_between_orders * _PACE_MARGIN - waited) * 1000)
        )
        if answer.source_ip:
            ledger.learn_address(connection, sent.account, answer.source_ip)
        on_step(Step.OUTCOME_WRITTEN)
