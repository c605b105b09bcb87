"""Deliveries on the databases of production: rivals claim at once, and each unit is one message's."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable

import pytest
from ledger_kit.market import ACCOUNT, GB, Market

from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.ledger.delivery import (
    DeliveryState,
    claim,
    decide,
    deliveries_of,
    record_outcome,
)
from airflow_provider_esimgo.ledger.kits import erase_recipients, record_kit, record_purge, written_kits
from airflow_provider_esimgo.ledger.store import Ledger

KINDS = ["sqlite", "postgresql", "mariadb"]
RIVALS, UNITS, SEED = 6, 24, 20261124


@pytest.mark.parametrize("kind", KINDS)
def test_rivals_hand_over_each_unit_once(open_market: Callable[..., Market], kind: str) -> None:
    """Messages of one, two and three units that overlap, in another order for each rival."""
    market = open_market(kind, pace=0)
    batch = market.plan([("ana", GB, UNITS, None)])
    market.finish(batch)
    keys = [unit.key for unit in market.ledger.units(batch)]
    sent: list[int] = []
    failures: list[BaseException] = []
    gate = threading.Barrier(RIVALS)

    def rival(number: int) -> None:
        chance = random.Random(SEED + number)
        parcels = [keys[at : at + size] for size in (1, 2, 3) for at in range(0, UNITS, size)]
        chance.shuffle(parcels)
        database = Database.open(market.ledger_url)
        ledger = Ledger(database)
        try:
            gate.wait()
            for count, parcel in enumerate(parcels):
                message_id = f"<{number}.{count}@rival>"
                if claim(ledger, batch, parcel, message_id=message_id):
                    sent.extend(parcel)  # the mail goes out
                    state = chance.choice([DeliveryState.SENT, DeliveryState.UNKNOWN])
                    record_outcome(ledger, batch, parcel, message_id=message_id, state=state, answer=None)
        except BaseException as error:
            failures.append(error)
        finally:
            database.close()

    rivals = [threading.Thread(target=rival, args=[number]) for number in range(RIVALS)]
    for one in rivals:
        one.start()
    for one in rivals:
        one.join()
    assert failures == []
    assert Counter(sent) == Counter(keys), f"seed {SEED}"
    found = deliveries_of(market.ledger, ACCOUNT, batch=batch)
    assert {one.state for one in found} == {DeliveryState.SENT, DeliveryState.UNKNOWN}
    assert {one.attempt for one in found} == {1}


@pytest.mark.parametrize("kind", KINDS)
def test_decisions_kits_and_erasure_work_on_every_database(
    open_market: Callable[..., Market], kind: str
) -> None:
    market = open_market(kind, pace=0)
    batch = market.plan()
    market.finish(batch)
    ledger = market.ledger
    keys = [unit.key for unit in ledger.units(batch)]
    assert claim(ledger, batch, keys, message_id="<a@b>")
    assert not claim(ledger, batch, keys[:1], message_id="<c@d>")
    assert decide(ledger, deliveries_of(ledger, ACCOUNT), arrived=False, reason="Öl 😀") == len(keys)
    assert claim(ledger, batch, keys, message_id="<c@d>")
    record_kit(
        ledger, ACCOUNT, [batch.key], folder="/kits/ä", conn_id=None, host="here", counts={"units": len(keys)}
    )
    (kit,) = written_kits(ledger, ACCOUNT)
    record_purge(ledger, kit, files=3)
    assert written_kits(ledger, ACCOUNT) == []
    assert erase_recipients(ledger, batch) == len(keys)
    assert erase_recipients(ledger, batch) == 0
    market.check()
