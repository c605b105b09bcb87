"""The Model test: whatever is planned, placed, killed, paused, refused or bought by others, in any sequence,
the vendor's books and the ledger tell one story, and nothing of ours is bought twice or lost.

A death is simulated in process: from the fatal moment on, the dying run's database and client raise, so that
neither `except` nor `finally` can write anything, as after SIGKILL. Time is virtual (see conftest).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from airflow_provider_esimgo.api import EsimGoClient
from airflow_provider_esimgo.api.errors import ApiError
from airflow_provider_esimgo.ledger.check import broken_invariants
from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.errors import BatchConflict, LedgerError, LedgerUnavailable
from airflow_provider_esimgo.ledger.placing import place_batch
from airflow_provider_esimgo.ledger.purchase import Step
from airflow_provider_esimgo.ledger.reconcile import reconcile_account
from airflow_provider_esimgo.ledger.records import Actor, StrayKind
from airflow_provider_esimgo.ledger.resolve import adopt, declare_never_placed
from airflow_provider_esimgo.ledger.states import SPENT_OR_UNSURE, OrderState
from airflow_provider_esimgo.ledger.store import Ledger
from airflow_provider_esimgo.manifest import ManifestError, PlanError

GB, NL = "esim_1GB_7D_GB_V2", "esim_1GB_7D_NL_V2"
OURS = {"api", "late"}  # what the books say of orders that this package sent
FOREVER = 1e9


class Killed(BaseException):
    """SIGKILL, as seen from inside."""


class DatabaseOfAProcess(Database):
    """Shares the ledger's engine, but can die, or lose its connection, without touching the others."""

    def __init__(self, shared):
        super().__init__(shared.engine)
        self.clock = shared.clock
        self.dead = self.cut_off = False

    def now(self, connection):
        return super().now(connection) + round(self.clock.ahead * 1000)

    @contextmanager
    def _connected(self, *, write):
        if self.dead:
            raise Killed
        if self.cut_off:
            raise LedgerUnavailable("the database restarts")
        with super()._connected(write=write) as connection:
            yield connection
            if self.dead:
                raise Killed


class Process:
    """One run of the place task: its own database handle, client and fate."""

    def __init__(self, bench, *, at=None, fate=None, then=None):
        self.bench, self.at, self.fate, self.then = bench, at, fate, then
        self.database = DatabaseOfAProcess(bench.database)
        self.ledger = Ledger(self.database, Actor(dag_id="model"))
        self.client = bench.new_client()
        self.client.place_order = self.post

    def on_step(self, step):
        if step is not self.at:
            return
        self.at = None
        if self.fate == "pause":
            self.then()
        elif self.fate == "cut off":
            self.database.cut_off = True
        elif self.fate == "kill":
            self.die()

    def die(self):
        self.database.dead = True
        raise Killed

    def post(self, request):
        if self.at == "before POST":
            self.die()
        placed = EsimGoClient.place_order(self.client, request)
        if self.at == "during POST":
            self.die()
        return placed

    def place(self, batch, **options):
        """What the run ended with: None, a Wait, or the error."""
        options = {"patience": FOREVER, "policy": self.bench.policy, **options}
        policy = options.pop("policy")
        try:
            return place_batch(
                self.client,
                self.ledger,
                batch,
                policy,
                on_step=self.on_step,
                sleep=self.bench.clock.sleep,
                **options,
            )
        except (LedgerError, ApiError, Killed) as error:
            return error
        finally:
            self.client.close()


ROWS = st.sampled_from(
    [
        (("e1", GB, 1),),
        (("e1", GB, 2),),
        (("e1", GB, 3), ("e2", NL, 2)),
        (("e1", NL, 4),),
        (("e2", GB, 2), ("e1", GB, 2)),
    ]
)
BATCH_IDS = st.sampled_from(["a", "b", "c"])

FAULTS = st.sampled_from(
    [
        {"kind": "drop_before"},
        {"kind": "drop_after"},
        *({"kind": "late_effect", "seconds": seconds} for seconds in (2, 5, 30, 60, 300, 500)),
        {"kind": "status_before", "status": 500},
        {"kind": "status_before", "status": 503},
        {"kind": "status_before", "status": 400},
        {"kind": "status_after", "status": 502},
        {"kind": "status_after", "status": 504},
        {"kind": "rate_limited"},
        {"kind": "redirect"},
        {"kind": "redirect", "when": "after"},
        {"kind": "broken_json"},
        {"kind": "empty_body"},
        {"kind": "missing_reference"},
        {"kind": "wrong_total"},
        {"kind": "fewer_esims"},
        {"kind": "late_esims", "seconds": 60},
        {"kind": "late_esims", "seconds": 2000, "answer": "processing"},
        {"kind": "failed"},
        {"kind": "failed", "charge": "refund"},
        {"kind": "failed", "charge": "kept"},
        {"kind": "failed", "seconds": 60},
        {"kind": "empty_list", "path": "^/orders$", "method": "GET"},
        {"kind": "status_after", "path": "^/organisation$", "status": 500, "times": 9},
        {"kind": "status_before", "path": "^/orders$", "method": "GET", "status": 503, "times": 9},
    ]
)
#: Faults that come on top of another one: the order is made, but hidden or accompanied.
COMPANIONS = [{"kind": "late_visible", "seconds": 200}, {"kind": "twin"}, {"kind": "twin", "when": "before"}]
PASSED = st.sampled_from([0.5, 5.0, 100.0, 700.0])


@dataclass(frozen=True)
class Luck:
    """What befalls one run: faults at the vendor, and where the process dies or loses its database."""

    faults: tuple
    at: object
    fate: str | None
    patience: float


LUCK = st.builds(
    lambda fault, nth, companions, fatal, patience: Luck(
        tuple({"nth": nth, **one} for one in ([fault] if fault else []) + companions), *fatal, patience
    ),
    fault=FAULTS,
    nth=st.sampled_from([1, 1, 2, 3, 9]),
    companions=st.just([]) | st.lists(st.sampled_from(COMPANIONS), max_size=1),
    fatal=st.just((None, None))
    | st.tuples(st.sampled_from([*Step, "before POST", "during POST"]), st.just("kill"))
    | st.tuples(st.sampled_from(Step), st.just("cut off")),
    patience=st.sampled_from([FOREVER, FOREVER, 30.0, 0.0]),
)


def shape_of_request(order):
    return tuple(sorted((line.item, line.quantity) for line in order.request.lines))


def shape_of_entry(entry):
    return tuple(sorted((line["item"], line["quantity"]) for line in entry["lines"]))


class LedgerAndVendor(RuleBasedStateMachine):
    batches = Bundle("batches")

    def __init__(self, benches: Callable) -> None:
        super().__init__()
        self.bench = benches()
        self.bench.policy = replace(self.bench.policy, max_units_per_order=2, lease_seconds=120.0)
        self.ids: list[str] = []
        self.paused = False

    # ---- what people and Airflow do -----------------------------------------------------------------------

    @initialize(known=st.booleans())
    def start(self, known):
        """Either the account is new, or an earlier purchase has taught the ledger its address."""
        if known:
            self.bench.place(self.bench.plan(("e0", GB, 1), batch_id="earlier"))
            self.ids.append("earlier")

    @rule(
        target=batches,
        rows=ROWS,
        batch_id=BATCH_IDS,
        allow_repeat=st.booleans(),
        luck=LUCK,
        canary=st.booleans(),
    )
    def plan_and_place(self, rows, batch_id, allow_repeat, luck, canary):
        """A DAG run. Also a second one over the same manifest, under the same or under another batch id."""
        try:
            batch = self.bench.plan(*rows, batch_id=batch_id, allow_repeat=allow_repeat)
        except (BatchConflict, ManifestError, PlanError, ApiError):
            return multiple()
        assert batch.batch_id == batch_id
        self.ids.append(batch_id)
        self.meet(luck)
        self.run(batch_id, canary=canary, at=luck.at, fate=luck.fate, patience=luck.patience)
        return batch_id

    @rule(batch=batches, luck=LUCK)
    def place_again(self, batch, luck):
        """A retry, a cleared task, a second DAG run."""
        self.meet(luck)
        self.run(batch, at=luck.at, fate=luck.fate, patience=luck.patience)

    @rule(
        batch=batches,
        rival=batches,
        at=st.sampled_from([step for step in Step if "written" not in step]),
        seconds=PASSED,
        patience=st.sampled_from([0.0, FOREVER]),
    )
    def place_and_be_paused(self, batch, rival, at, seconds, patience):
        """SIGSTOP, time, a rival's run of the same or of another batch, SIGCONT."""
        self.bench.server.sandbox.faults.replace(())  # a late answer that is lost as well leaves no trace

        def meanwhile():
            self.paused = True
            self.bench.clock.sleep(seconds)
            self.run(rival, patience=patience)

        self.run(batch, at=at, fate="pause", then=meanwhile)

    @rule(batch=batches)
    def place_while_nobody_listens(self, batch):
        with self.bench.server.refusing():
            self.run(batch)

    @rule()
    def a_person_resolves_reviews(self):
        self.bench.clock.sleep(3600)
        self.decide_reviews()

    @rule(seconds=PASSED, restart=st.booleans(), reconcile=st.booleans())
    def time_passes(self, seconds, restart, reconcile):
        """Perhaps with a restart of the database, and the scheduled reconciliation."""
        self.bench.clock.sleep(seconds)
        if restart:
            self.bench.database.close()
        if reconcile:
            try:
                reconcile_account(self.bench.client, self.bench.ledger, self.bench.ACCOUNT, self.bench.policy)
            except ApiError:
                return

    # ---- what the vendor and others do --------------------------------------------------------------------

    def meet(self, luck):
        for fault in luck.faults:
            if fault["kind"] != "twin" or self.address_known():
                self.bench.server.fault(**fault)

    @rule(bundle=st.sampled_from([GB, NL]), cents=st.sampled_from([100, 136, 142, 500]))
    def price_changes(self, bundle, cents):
        self.bench.server.set_price(bundle, Decimal(cents) / 100)

    @rule(lines=st.sampled_from([((GB, 1),), ((NL, 1),), ((GB, 5),), ((GB, 1), (NL, 1))]))
    @precondition(lambda self: self.address_known())
    def a_colleague_buys(self, lines):
        """From the portal's address, alike or not to one of ours."""
        self.bench.portal(*lines)

    @rule(batch=batches)
    @precondition(lambda self: self.address_known())
    def a_colleague_buys_the_same(self, batch):
        order = self.bench.ledger.orders(self.bench.ledger.batch(self.bench.ACCOUNT, batch))[-1]
        self.bench.portal(*((line.item, line.quantity) for line in order.request.lines))

    # ---- what must stay true ------------------------------------------------------------------------------

    @invariant()
    def nothing_of_ours_is_bought_twice_or_forgotten(self):
        bought, accounted = self.bought(), self.accounted()
        assert not bought - accounted, (
            f"the books hold {bought - accounted} that the ledger cannot account for"
        )

    @invariant()
    def only_a_paused_worker_buys_twice_and_that_is_written_down(self):
        entries = self.entries()
        strays = self.bench.ledger.strays(self.bench.ACCOUNT)
        ours = [stray for stray in strays if entries[stray.reference]["by"] in OURS]
        assert self.paused or not [one for one in ours if self.costs(entries[one.reference])]

    @invariant()
    def each_reference_is_claimed_once_and_is_what_was_asked_for(self):
        entries = self.entries()
        claims = [order for order in self.orders() if order.reference]
        assert len({order.reference for order in claims}) == len(claims)
        for order in claims:
            assert shape_of_entry(entries[order.reference]) == shape_of_request(order)
            assert entries[order.reference]["by"] in OURS, "somebody else's order was adopted"
        strays = {stray.reference for stray in self.bench.ledger.strays(self.bench.ACCOUNT)}
        assert not strays & {order.reference for order in claims}

    @invariant()
    def the_sums_agree_to_the_cent(self):
        assert self.bench.server.books()["balanced"]
        entries = self.entries()
        settled = [o for o in self.orders() if o.state in {OrderState.PLACED, OrderState.ASSIGNED}]
        expected = sum((order.due for order in settled), Decimal(0))
        assert expected == sum((Decimal(entries[o.reference]["total"]) for o in settled), Decimal(0))

    @invariant()
    def each_assigned_unit_is_alone_on_an_esim_of_its_order(self):
        entries, used = self.entries(), Counter()
        for order in self.orders():
            units = self.bench.ledger.units_of(order)
            assert len(units) == order.unit_count
            if order.state is OrderState.ASSIGNED:
                assert {unit.iccid for unit in units} <= set(entries[order.reference]["iccids"])
                used.update(unit.iccid for unit in units)
        assert not used or max(used.values()) == 1

    @invariant()
    def the_ledger_keeps_its_own_promises(self):
        told = ("looks like order", "prices do not add up")  # a duplicate; an order adopted at another price
        assert [one for one in broken_invariants(self.bench.ledger) if not any(map(one.count, told))] == []

    # ---- the end: calm down, carry on, and compare in full ------------------------------------------------

    def teardown(self):
        bench = self.bench
        bench.server.sandbox.faults.replace(())
        bench.policy = replace(bench.policy, price_tolerance=Decimal(100))
        for _ in range(30):
            bench.clock.sleep(3600)
            self.decide_reviews()
            outcomes = [self.run(batch_id) for batch_id in dict.fromkeys(self.ids)]
            if all(self.ended(batch_id) for batch_id in self.ids):
                break
        else:
            raise AssertionError(f"no end: {outcomes}, {Counter(order.state for order in self.orders())}")
        self.nothing_of_ours_is_bought_twice_or_forgotten()
        self.only_a_paused_worker_buys_twice_and_that_is_written_down()
        bought, accounted = self.bought(), self.accounted()
        assert bought == accounted, f"the ledger counts {accounted - bought} that were never bought"

    def ended(self, batch_id):
        orders = self.bench.ledger.orders(self.bench.ledger.batch(self.bench.ACCOUNT, batch_id))
        states = {order.state for order in orders}
        if states & {OrderState.SENDING, OrderState.UNKNOWN}:
            return False
        stuck = any(order.state is OrderState.REVIEW and order.reference for order in orders)  # not delivered
        return stuck or OrderState.REJECTED in states or states == {OrderState.ASSIGNED}

    # ---- how it is looked at ------------------------------------------------------------------------------

    def run(self, batch_id, *, at=None, fate=None, then=None, **options):
        batch = self.bench.ledger.batch(self.bench.ACCOUNT, batch_id)
        return Process(self.bench, at=at, fate=fate, then=then).place(batch, **options)

    def orders(self):
        return [order for batch in self.bench.ledger.batches() for order in self.bench.ledger.orders(batch)]

    def entries(self):
        return {entry["reference"]: entry for entry in self.bench.server.orders()}

    def address_known(self):
        return bool(self.bench.ledger.source_addresses(self.bench.ACCOUNT))

    def bought(self):
        """Shapes of the vendor orders that are ours and cost money, or that the ledger counts as bought."""
        claimed = {order.reference for order in self.orders() if order.state in SPENT_OR_UNSURE}
        return Counter(
            shape_of_entry(entry)
            for entry in self.entries().values()
            if entry["by"] in OURS and (entry["reference"] in claimed or self.costs(entry))
        )

    def costs(self, entry):
        """Whether the vendor has the money for it, and keeps it."""
        refunded = entry["status"] == "failed" and any(
            other["lines"][0]["type"] == "bundleRefund" and shape_of_entry(other) == shape_of_entry(entry)
            for other in self.bench.server.books()["orders"]
        )
        return bool(Decimal(entry["charged"])) and not refunded

    def accounted(self):
        """Shapes of the orders for which the ledger says that money was or may have been spent."""
        counts = Counter(shape_of_request(order) for order in self.orders() if order.state in SPENT_OR_UNSURE)
        entries = self.entries()
        for stray in self.bench.ledger.strays(self.bench.ACCOUNT):
            if stray.kind is StrayKind.DUPLICATE:
                counts[shape_of_entry(entries[stray.reference])] += 1
        return counts

    def decide_reviews(self):
        """A person who looks closely: adopts what is ours, and declares never placed what is not there."""
        ledger, client = self.bench.ledger, self.bench.client
        for order in self.orders():
            if order.state is not OrderState.REVIEW:
                continue
            if order.reference:
                entry = self.entries()[order.reference]
                if entry["status"] == "completed" and len(entry["iccids"]) == order.unit_count:
                    adopt(client, ledger, order, order.reference, reason="it is complete by now")
                elif not self.costs(entry):
                    declare_never_placed(ledger, order, self.bench.policy, reason="it failed")
                continue  # else it was paid and not delivered: that is between the person and the vendor
            claimed = ledger.claimed(order.account)
            mine = [
                entry["reference"]
                for entry in self.entries().values()
                if entry["by"] in OURS
                and shape_of_entry(entry) == shape_of_request(order)
                and entry["reference"] not in claimed
                and self.costs(entry)
            ]
            if mine:
                adopt(client, ledger, order, mine[0], reason="it is ours")
            else:
                declare_never_placed(ledger, order, self.bench.policy, reason="it is not there")


SETTINGS = settings(
    max_examples=120,
    stateful_step_count=15,
    deadline=None,
    print_blob=True,
    phases=[Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(300)
def test_ledger_and_vendor_tell_one_story(benches):
    run_state_machine_as_test(lambda: LedgerAndVendor(benches), settings=SETTINGS)
