"""Buys a batch: one order after the other, from wherever the ledger stands, until every unit has its eSIM.

Running it again buys nothing that is bought. It stops at the first refusal, doubt or disagreement; the rest of
the batch stays PLANNED. No wait longer than `patience` is sat out here: it is handed back to the caller.
"""

import logging
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection

from airflow_provider_esimgo.api import EsimGoClient
from airflow_provider_esimgo.api.errors import ApiError
from airflow_provider_esimgo.ledger.approval import refuse_unless_leave
from airflow_provider_esimgo.ledger.errors import (
    NothingSent,
    OrderInReview,
    OrderRejected,
    PlanRefused,
    SuspectedDuplicate,
)
from airflow_provider_esimgo.ledger.lease import Lease
from airflow_provider_esimgo.ledger.matching import Ruling
from airflow_provider_esimgo.ledger.outcome import Answer, match_iccids
from airflow_provider_esimgo.ledger.planning import quote_shapes
from airflow_provider_esimgo.ledger.policy import Mode, PurchasePolicy
from airflow_provider_esimgo.ledger.purchase import OnStep, Step, buy_order, ignore_step
from airflow_provider_esimgo.ledger.reconcile import (
    Resolution,
    find_duplicates,
    hold_for_review,
    lookalikes,
    record_duplicate,
    resolve_account,
)
from airflow_provider_esimgo.ledger.records import Batch, Order
from airflow_provider_esimgo.ledger.states import OrderState
from airflow_provider_esimgo.ledger.store import Fenced, Ledger
from airflow_provider_esimgo.manifest import DraftLine

log = logging.getLogger(__name__)

Sleep = Callable[[float], None]


@dataclass(frozen=True)
class Wait:
    """Nothing can be done for the batch before so many seconds have passed, and why."""

    seconds: float
    reason: str


def place_batch(
    client: EsimGoClient,
    ledger: Ledger,
    batch: Batch,
    policy: PurchasePolicy,
    *,
    canary: bool = False,
    require_approval: bool = False,
    patience: float = 30.0,
    on_step: OnStep = ignore_step,
    sleep: Sleep = time.sleep,
) -> Wait | None:
    """Buy what is left to buy of a batch.

    Args:
        canary: buy one order first, and go on only when all its eSIMs can be installed.
        require_approval: send nothing unless exactly this plan is approved in the ledger.
        patience: the longest wait, in seconds, that is slept through instead of handed back.

    Returns:
        None when every order is ASSIGNED; a `Wait` when time has to pass first.

    Raises:
        NothingSent, MoneyAtStake: see `ledger.errors`; the message says what to do.
    """
    return _Placing(client, ledger, batch, policy, canary, require_approval, patience, on_step, sleep).run()


@dataclass
class _Placing:
    client: EsimGoClient
    ledger: Ledger
    batch: Batch
    policy: PurchasePolicy
    canary: bool
    require_approval: bool
    patience: float
    on_step: OnStep
    sleep: Sleep
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)
    unsent: int = 0
    lease_waits: float = 0.0
    canary_sang: bool = False
    looked_for_strangers: bool = False

    def run(self) -> Wait | None:
        self._refuse_to_go_on(self.ledger.tally(self.batch))
        planned = [order for order in self.ledger.orders(self.batch) if order.state is OrderState.PLANNED]
        if planned:
            self._refuse_without_leave()
        self._check_prices(planned)
        while True:
            states = self.ledger.tally(self.batch)
            self._refuse_to_go_on(states)
            if states.keys() == {OrderState.ASSIGNED}:
                wait = self._check_for_duplicates()
                if wait is None:
                    return None
            else:
                wait = self._wait_for_esims(states) or self._buy_next()
            if wait is None:
                continue
            if wait.seconds > self.patience:
                return wait
            log.info("Waiting %.1f s: %s", wait.seconds, wait.reason)
            self.sleep(wait.seconds)

    def _refuse_to_go_on(self, states: Counter[OrderState]) -> None:
        """Stop a batch that holds a refusal or a case for a person."""
        if not states[OrderState.REJECTED] and not states[OrderState.REVIEW]:
            return
        told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        batch_id = self.batch.batch_id
        for order in self.ledger.orders(self.batch):
            if order.state is OrderState.REJECTED:
                raise OrderRejected(
                    f"The vendor refused order {order.number} of batch {batch_id!r}: {order.message}. Nothing was "
                    f"charged for it; {told}. The batch stops here. Cure the cause, and plan the rows of this and "
                    "the following orders as a new batch."
                )
            if order.state is OrderState.REVIEW:
                raise OrderInReview(
                    f"Order {order.number} of batch {batch_id!r} waits for a person: {order.message}. Money may "
                    f"have been spent on it once; it will not be sent again by itself ({told}). Look at "
                    f"'airflow esimgo orders show {order.key}', then run 'airflow esimgo orders resolve "
                    f"{order.key}' with --adopt REFERENCE or --never-placed, and this task again."
                )

    def _check_prices(self, planned: Sequence[Order]) -> None:
        """Nothing is sent at a price above the plan's; a price that fell, or rose within tolerance, is expected."""
        if not planned:
            return
        self.policy.require(Mode.TRANSACT)
        shapes = {order.key: order_shape(order) for order in planned}
        quotes = quote_shapes(self.client, shapes.values(), self.policy)
        for order in planned:
            quote = quotes[shapes[order.key]]
            ceiling = order.total * (1 + self.policy.price_tolerance)
            if quote.currency != self.batch.currency or quote.total > ceiling:
                raise PlanRefused(
                    f"Order {order.number} of batch {self.batch.batch_id!r} was planned at {order.total:,.2f} "
                    f"{self.batch.currency} and now costs {quote.total:,.2f} {quote.currency}. No order was sent "
                    "by this call. Validate the manifest again for a new plan, or set price_tolerance."
                )
            if quote.total != order.due:
                self.ledger.requote(order, quote.total, quote.unit_prices)

    def _buy_next(self) -> Wait | None:
        """Send the first order that is still planned, if the account is free and all its doubts are resolved."""
        lease = Lease(self.ledger.database, self.batch.account, self.policy.lease_seconds, self.owner)
        if not lease.take():
            return self._wait_for_lease(lease)
        try:
            self.on_step(Step.LEASED)
            resolved = resolve_account(
                self.client, self.ledger, self.batch.account, self.policy, owner=self.owner
            )
            if resolved.look_again_in is not None:
                return Wait(resolved.look_again_in, _doubts(resolved.resolutions))
            self.on_step(Step.RESOLVED)
            states = self.ledger.tally(self.batch)
            self._refuse_to_go_on(states)
            if states[OrderState.PLANNED]:
                self._refuse_without_leave()
            if not self.looked_for_strangers:
                self._hold_strangers()
                self.looked_for_strangers = True
                return None
            order = self.ledger.next_planned(self.batch)
            if order is None:
                return None
            answer = buy_order(
                self.client,
                self.ledger,
                lease,
                order,
                self.policy,
                leave=self._ask_leave,
                on_step=self.on_step,
                sleep=self.sleep,
            )
            self.lease_waits = 0.0
            return self._after(order, answer, left=states[OrderState.PLANNED] - 1)
        finally:
            lease.release()

    def _refuse_without_leave(self) -> None:
        """What was checked and approved is the plan that this call began with, and its time is not over."""
        with self.ledger.database.read() as connection:
            self._ask_leave(connection)

    def _ask_leave(self, connection: Connection) -> None:
        refuse_unless_leave(self.ledger, connection, self.batch, require_approval=self.require_approval)

    def _after(self, order: Order, answer: Answer, *, left: int) -> Wait | None:
        if answer.state is not OrderState.PLANNED:
            self.unsent = 0
            if answer.state is OrderState.PLACED:
                self._tell_progress(left)
            return None
        self.unsent += 1
        wait = max(answer.retry_after, self.policy.seconds_between_orders * self.unsent)
        if self.unsent >= self.policy.not_sent_attempts or wait > self.patience:
            raise NothingSent(
                f"Order {order.number} of batch {self.batch.batch_id!r} could not be sent, {self.unsent} times: "
                f"{answer.message}. It never reached the vendor and nothing was charged for it. Check the network "
                "and the connection's host, then run the task again: it goes on from here."
            )
        return Wait(
            wait,
            f"order {order.number} was not sent ({answer.message}); attempt {self.unsent + 1} of "
            f"{self.policy.not_sent_attempts} follows",
        )

    def _wait_for_lease(self, lease: Lease) -> Wait:
        """Rivals take turns within seconds; only a dead worker's claim lasts until it expires."""
        remaining = lease.remaining()
        if self.lease_waits > self.patience:
            return Wait(
                max(remaining, self.patience + 1), "another worker's claim on the account has to run out"
            )
        turn = min(remaining + 0.01, self.policy.seconds_between_orders / 4 + 0.05) * random.uniform(0.7, 1.3)  # noqa: S311
        self.lease_waits += turn
        return Wait(turn, "another worker sends an order of this account")

    def _hold_strangers(self) -> None:
        """An unclaimed vendor order that looks like one we are about to send may be it (a restored backup)."""
        orders = self.ledger.orders(self.batch)
        planned = [order for order in orders if order.state is OrderState.PLANNED]
        found = lookalikes(self.client, self.ledger, self.batch.account, planned, since=self.batch.planned_at)
        for order, stranger in found:
            hold_for_review(self.ledger, order, stranger)

    def _wait_for_esims(self, states: Counter[OrderState]) -> Wait | None:
        """Collect the ICCIDs of placed orders: at the end, and after the canary."""
        left = states[OrderState.PLANNED] or states[OrderState.SENDING] or states[OrderState.UNKNOWN]
        watching_canary = self.canary and states[OrderState.PLANNED] and not self.canary_sang
        if left and not watching_canary:
            return None
        orders = self.ledger.orders(self.batch)
        if watching_canary and (bought := [order for order in orders if order.state is OrderState.ASSIGNED]):
            self._check_canary(bought[0])
        placed = [order for order in orders if order.state is OrderState.PLACED]
        waits = [wait for order in placed if (wait := self._collect(order)) is not None]
        return min(waits, key=lambda wait: wait.seconds) if waits else None

    def _collect(self, order: Order) -> Wait | None:
        """Ask for the eSIMs of one placed order; after settle, too few of them is a case for a person."""
        units = self.ledger.units_of(order)
        why = f"order {order.number} has fewer eSIMs than units"
        try:
            iccids = match_iccids(units, self.client.get_order(order.reference or ""))
        except ApiError as error:
            iccids, why = None, f"order {order.number}'s eSIMs cannot be read: {error.message}"
        except ValueError as error:
            self._to_review(order, str(error))
            return None
        with self.ledger.database.read() as connection:
            age = (self.ledger.database.now(connection) - (order.sent_at or 0)) / 1000
        if iccids is None:
            if age <= self.policy.settle_seconds:
                return Wait(min(max(age, 1.0), max(self.policy.settle_seconds - age, 0.0) + 0.1), why)
            self._to_review(order, why)
            return None
        try:
            with self.ledger.database.write() as connection:
                self.ledger.assign(connection, order, iccids)
        except Fenced:
            log.info("Another worker recorded the eSIMs of order %d", order.number)
        return None

    def _to_review(self, order: Order, why: str) -> None:
        try:
            with self.ledger.database.write() as connection:
                self.ledger.move(connection, order, OrderState.REVIEW, evidence={"why": why}, message=why)
        except Fenced:
            log.info("Another worker moved order %d on", order.number)

    def _check_canary(self, order: Order) -> None:
        """The first order's eSIMs must have codes that can be installed before the rest is bought."""
        wanted = {unit.iccid for unit in self.ledger.units_of(order)}
        details = self.client.get_install_details([order.reference or ""])
        usable = {detail.iccid for detail in details if detail.matching_id and detail.smdp_address}
        if missing := wanted - usable:
            raise OrderInReview(
                f"The canary order {order.number} of batch {self.batch.batch_id!r} is bought ({order.reference}), but "
                f"{len(missing)} of its {len(wanted)} eSIMs have no install details. The rest of the batch was not "
                "sent. Ask the vendor about that order; run the task again when its details are there."
            )
        log.info("The canary order %d is fine: %d eSIMs can be installed", order.number, len(wanted))
        self.canary_sang = True

    def _check_for_duplicates(self) -> Wait | None:
        """Suspects are looked at again under the lease, when no rival's order is on its way."""
        if not find_duplicates(self.client, self.ledger, self.batch):
            return None
        lease = Lease(self.ledger.database, self.batch.account, self.policy.lease_seconds, self.owner)
        if not lease.take():
            return self._wait_for_lease(lease)
        try:
            duplicates = find_duplicates(self.client, self.ledger, self.batch)
            for order, twin in duplicates:
                record_duplicate(self.ledger, order, twin)
        finally:
            lease.release()
        if duplicates:
            pairs = ", ".join(f"order {order.number}: {twin.reference}" for order, twin in duplicates)
            raise SuspectedDuplicate(
                f"Batch {self.batch.batch_id!r} is bought, but the vendor lists orders that nobody claims and that "
                f"look like ones of it ({pairs}): they were probably charged twice. Compare them in the vendor's "
                "portal and ask for a refund. The next run of this task no longer stops for them."
            )
        return None

    def _tell_progress(self, left: int) -> None:
        done = self.batch.order_count - left
        log.info(
            "Order %d of %d placed; about %.0f s left",
            done,
            self.batch.order_count,
            left * self.policy.seconds_between_orders,
        )


def order_shape(order: Order) -> tuple[DraftLine, ...]:
    """The shape under which an order is priced."""
    return tuple(DraftLine(line.item, line.quantity, line.iccids) for line in order.request.lines)


def _doubts(resolutions: Sequence[Resolution]) -> str:
    return "; ".join(
        f"order {resolution.order.number}: {resolution.reason}"
        for resolution in resolutions
        if resolution.ruling is Ruling.WAIT
    )
