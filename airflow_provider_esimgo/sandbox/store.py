"""The sandbox's books: every order, eSIM, inventory batch and movement of money, in memory and, with a file, on disk.

Invariants: an operation inside `transaction()` happens wholly or not at all, also on disk;
opening balance + the sum of all money entries = balance; identifiers never repeat, not even after a reset or a restart.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from airflow_provider_esimgo.sandbox import identifiers
from airflow_provider_esimgo.sandbox.catalogue import (
    PROFILE_1,
    PROFILE_2,
    SMDP_ADDRESS,
    Bundle,
    standard_catalogue,
)
from airflow_provider_esimgo.sandbox.clock import SandboxClock
from airflow_provider_esimgo.sandbox.durable import Row, SandboxFile
from airflow_provider_esimgo.sandbox.records import (
    Apply,
    Batch,
    Esim,
    Job,
    MoneyEntry,
    Order,
    Record,
    decode,
    encode,
)

OPENING_BALANCE = Decimal("5000.00")
_PRESET_PROFILES = (PROFILE_1, PROFILE_1, PROFILE_1, PROFILE_1, PROFILE_2, PROFILE_2)


class Store:
    def __init__(
        self,
        *,
        seed: int = 0,
        opening_balance: Decimal = OPENING_BALANCE,
        file: Path | None = None,
        clock: SandboxClock | None = None,
    ) -> None:
        self.seed = seed
        self.opening_balance = opening_balance
        self.clock = clock or SandboxClock()
        self.lock = threading.RLock()
        self._file = SandboxFile(file) if file else None
        self._tables: dict[str, dict[str, Any]] = {}
        self._unwritten: list[Row] = []
        self._undo: list[Callable[[], object]] = []
        self._depth = 0
        self.serials: dict[str, int] = {}
        self._empty()
        if not self._load():
            self._start_afresh()

    def _empty(self) -> None:
        self.orders: dict[str, Order] = {}
        self.esims: dict[str, Esim] = {}
        self.batches: dict[str, Batch] = {}
        self.money: dict[str, MoneyEntry] = {}
        self.jobs: dict[str, Job] = {}
        self.applies: dict[str, Apply] = {}
        self.catalogue: dict[str, Bundle] = standard_catalogue()
        self.balance = self.opening_balance
        self.last_created = 0
        self._tables = {
            "order": self.orders,
            "esim": self.esims,
            "batch": self.batches,
            "money": self.money,
            "job": self.jobs,
            "apply": self.applies,
        }

    def _load(self) -> bool:
        """False when there is nothing to load."""
        if self._file is None:
            return False
        found = False
        for kind, key, document in self._file.rows():
            found = True
            if kind == "meta":
                self._load_meta(key, document)
            elif kind == "price":
                self.catalogue[key] = dataclasses.replace(self.catalogue[key], price=Decimal(document))
            else:
                self._tables[kind][key] = decode(kind, document)
        self.balance = self.opening_balance + sum(
            (entry.amount for entry in self.money.values()), start=Decimal(0)
        )
        in_order = sorted(self.orders.values(), key=lambda order: order.serial)
        self.orders.clear()
        self.orders.update((order.reference, order) for order in in_order)
        esims = sorted(self.esims.values(), key=lambda esim: esim.serial)
        self.esims.clear()
        self.esims.update((esim.iccid, esim) for esim in esims)
        self.last_created = max((order.created for order in in_order), default=0)
        return found

    def _load_meta(self, key: str, document: str) -> None:
        if key == "opening_balance":
            self.opening_balance = Decimal(document)
        elif key == "seed":
            self.seed = int(document)
        elif key == "clock_offset":
            self.clock.offset = int(document)
        elif key.startswith("serial:"):
            self.serials[key.removeprefix("serial:")] = int(document)

    def _start_afresh(self) -> None:
        with self.transaction():
            self._write("meta", "opening_balance", str(self.opening_balance))
            self._write("meta", "seed", str(self.seed))
            self._write("meta", "clock_offset", str(self.clock.offset))
            now = self.clock.now()
            for number, (iccid, profile) in enumerate(
                zip(identifiers.PRESET_ICCIDS, _PRESET_PROFILES, strict=True), start=1
            ):
                assert iccid == identifiers.iccid(0, number)
                self.put(self.blank_esim(0, number, profile, now, reference=""))

    def reset(self) -> None:
        """Back to the start, but for the identifiers already given out."""
        with self.lock:
            self.clock.offset = 0
            self._empty()
            if self._file:
                self._file.clear(
                    [("meta", f"serial:{name}", str(last)) for name, last in self.serials.items()]
                )
            self._start_afresh()

    def close(self) -> None:
        if self._file:
            self._file.close()

    # one atomic step

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self.lock:
            self._depth += 1
            try:
                yield
                if self._depth == 1 and self._unwritten and self._file:
                    self._file.write(self._unwritten)
            except BaseException:
                if self._depth == 1:
                    for undo in reversed(self._undo):
                        undo()
                raise
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._unwritten, self._undo = [], []

    def _write(self, kind: str, key: str, document: str | None) -> None:
        if self._file:
            self._unwritten.append((kind, key, document))

    def put(self, record: Record) -> None:
        kind, key = _kind_and_key(record)
        self._swap(kind, key, record)
        if self._file:
            self._unwritten.append((kind, key, encode(record)))

    def drop(self, record: Record) -> None:
        kind, key = _kind_and_key(record)
        self._swap(kind, key, None)
        self._write(kind, key, None)

    def _swap(self, kind: str, key: str, record: Record | None) -> None:
        table = self._tables[kind]
        before = table.get(key)
        if record is None:
            table.pop(key, None)
        else:
            table[key] = record
        if before is None:
            self._undo.append(lambda: table.pop(key, None))
        else:
            self._undo.append(lambda: table.__setitem__(key, before))

    def next_serial(self, name: str) -> int:
        serial = self.serials.get(name, identifiers.FIRST_SERIAL - 1) + 1
        self.serials[name] = serial  # never taken back: a number lost is better than one given out twice
        self._write("meta", f"serial:{name}", str(serial))
        return serial

    # what operations are made of

    def created_now(self, at: int | None = None) -> int:
        """The creation time of the next order: never the same twice."""
        created = max(self.clock.now() if at is None else at, self.last_created + 1)
        self.last_created = created
        return created

    def new_reference(self) -> tuple[str, int]:
        serial = self.next_serial("order")
        return identifiers.reference(self.seed, serial), serial

    def blank_esim(
        self, seed: int, serial: int, profile: str, at: int, *, reference: str, branding_id: str = ""
    ) -> Esim:
        pin, puk = identifiers.pin_and_puk(seed, serial)
        return Esim(
            iccid=identifiers.iccid(seed, serial),
            serial=serial,
            matching_id=identifiers.matching_id(seed, serial),
            smdp_address=SMDP_ADDRESS[profile],
            pin=pin,
            puk=puk,
            profile_name=profile,
            assigned_at=at,
            order_reference=reference,
            visible_at=0,
            branding_id=branding_id or identifiers.DEFAULT_BRANDING_ID,
            last_action="",
            action_at=at,
        )

    def new_esim(self, profile: str, at: int, *, reference: str, branding_id: str = "") -> Esim:
        serial = self.next_serial("esim")
        return self.blank_esim(self.seed, serial, profile, at, reference=reference, branding_id=branding_id)

    def move_money(self, kind: str, amount: Decimal, reference: str, at: int) -> None:
        if amount == 0:
            return
        before = self.balance
        self._undo.append(lambda: setattr(self, "balance", before))
        self.balance += amount
        self.put(MoneyEntry(self.next_serial("money"), at, kind, amount, reference))

    def add_job(self, due: int, kind: str, *, reference: str = "", payload: str = "") -> None:
        self.put(Job(self.next_serial("job"), due, kind, reference, payload))

    def set_price(self, name: str, price: Decimal) -> None:
        with self.transaction():
            self.catalogue[name] = dataclasses.replace(self.catalogue[name], price=price)
            self._write("price", name, str(price))

    def advance(self, seconds: float) -> int:
        with self.transaction():
            now = self.clock.advance(seconds)
            self._write("meta", "clock_offset", str(self.clock.offset))
        return now


def _kind_and_key(record: Record) -> tuple[str, str]:
    match record:
        case Order():
            return "order", record.reference
        case Esim():
            return "esim", record.iccid
        case Batch():
            return "batch", str(record.usage_id)
        case MoneyEntry():
            return "money", str(record.serial)
        case Job():
            return "job", str(record.serial)
        case Apply():
            return "apply", record.reference
