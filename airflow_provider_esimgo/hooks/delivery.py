"""E-mails each recipient of a batch their own eSIMs: each unit once, whatever is run how often.

Must stay true: the ledger knows of a message before the mail server does; what may have been sent is not sent again
by itself; nobody gets a code that is of no use any more; one message that cannot be written holds up no other; no
address reaches a log.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import make_msgid

from airflow_provider_esimgo.hooks.kit import Kit
from airflow_provider_esimgo.hooks.mail import Answer, Fate, Mailer
from airflow_provider_esimgo.kit.entries import KitEntry, KitError
from airflow_provider_esimgo.kit.letter import check_address, compose, mailbox
from airflow_provider_esimgo.kit.qr import Drawing, draw_all
from airflow_provider_esimgo.kit.verify import verify_drawing
from airflow_provider_esimgo.ledger.delivery import (
    OPEN,
    Delivery,
    DeliveryState,
    claim,
    deliveries_of,
    record_outcome,
)
from airflow_provider_esimgo.ledger.errors import DeliveredTwice, LedgerUnavailable
from airflow_provider_esimgo.ledger.records import Batch
from airflow_provider_esimgo.ledger.store import Ledger

log = logging.getLogger(__name__)

_STATES = {
    Fate.ACCEPTED: DeliveryState.SENT,
    Fate.REFUSED: DeliveryState.REFUSED,
    Fate.NOT_SENT: DeliveryState.REFUSED,
    Fate.UNKNOWN: DeliveryState.UNKNOWN,
}
_TELL_EVERY = 100  # messages
_GIVE_UP_AFTER = 3  # messages in a row that did not even leave
_LEDGER_WAITS = (0.2, 1.0, 5.0)  # seconds


@dataclass(frozen=True)
class Letter:
    """How a message is written: all but its eSIMs."""

    sender: str  # one address, perhaps with a name before it
    subject: str
    note: str = ""
    reply_to: str | None = None

    @property
    def address(self) -> str:
        """The sender's bare address, for the envelope."""
        return mailbox("the sender", self.sender).addr_spec


@dataclass(frozen=True)
class Parcel:
    """The units that one message hands over, each with its key in the ledger. One eSIM may carry several."""

    address: str
    unit_keys: Sequence[int]
    entries: Sequence[KitEntry]


@dataclass(frozen=True)
class Delivered:
    """How many units stand where, after a run."""

    sent: int = 0  # by this run
    already: int = 0  # before it, or by another one at the same time
    withheld: int = 0  # installed, or of no use any more
    no_address: int = 0  # the manifest has none, or none that can be used
    refused: int = 0  # by the mail server, or not sent
    unknown: int = 0  # may have been sent, and are not sent again by themselves
    under_way: int = 0  # another run is at them
    retry: bool = False  # whether another run of this task can get further


def parcels_of(kit: Kit, known: Mapping[int, Delivery]) -> list[Parcel]:
    """What is to be sent: a parcel for each recipient and address."""
    by_person: dict[tuple[str, str], list[tuple[int, KitEntry]]] = defaultdict(list)
    for key, entry in _keyed(kit):
        address = check_address(entry.email)
        is_open = key not in known or known[key].state in OPEN
        if is_open and entry.has_code and address is not None:
            by_person[entry.recipient_ref, address].append((key, entry))
    return [
        Parcel(address, [key for key, _ in units], [entry for _, entry in units])
        for (_, address), units in by_person.items()
    ]


def count_up(kit: Kit, known: Mapping[int, Delivery], sent: Mapping[int, Answer]) -> Delivered:
    """Where every unit of the batch stands, as the ledger has it now.

    Args:
        sent: what this run was answered, by unit.
    """
    told: Counter[str] = Counter()
    retry = False
    for key, entry in _keyed(kit):
        delivery = known.get(key)
        state = delivery.state if delivery else None
        if state is DeliveryState.SENT:
            accepted = key in sent and sent[key].fate is Fate.ACCEPTED
            told["sent" if accepted else "already"] += 1
        elif delivery and delivery.under_way:
            told["under_way"] += 1
            retry = True
        elif delivery and delivery.in_doubt:
            told["unknown"] += 1
        elif not entry.has_code:
            told["withheld"] += 1
        elif check_address(entry.email) is None:
            told["no_address"] += 1
        else:
            told["refused"] += 1
            retry = retry or key not in sent or sent[key].worth_retrying
    return Delivered(**told, retry=retry)


def deliver(ledger: Ledger, batch: Batch, kit: Kit, mailer: Mailer, letter: Letter) -> Delivered:
    """Send what is not sent yet.

    Raises:
        MailServerError: the mail server cannot be used; nothing was sent.
        DeliveredTwice: somebody got two; all others are served.
    """
    parcels = parcels_of(kit, _known(ledger, batch))
    if parcels:
        mailer.open()  # before anything is promised to anybody
    sent: dict[int, Answer] = {}
    twice: DeliveredTwice | None = None
    stuck = 0
    for number, (parcel, drawings) in enumerate(_drawn(parcels), 1):
        try:
            answer = _hand_over(ledger, batch, parcel, drawings, mailer, letter)
        except KitError as error:  # of this one message
            log.error("A message is not sent: %s", error)  # noqa: TRY400 - one line says it all
            answer = Answer(Fate.REFUSED, "not written")
        except DeliveredTwice as error:
            twice, answer = error, Answer(Fate.ACCEPTED)
        if answer is None:  # another run has claimed one of its units since we looked
            continue
        sent.update(dict.fromkeys(parcel.unit_keys, answer))
        stuck = stuck + 1 if answer.fate is Fate.NOT_SENT else 0
        if stuck == _GIVE_UP_AFTER:
            log.warning(
                "The mail server is gone (%s): %d messages are left for later",
                answer.codes,
                len(parcels) - number,
            )
            break
        if number % _TELL_EVERY == 0:
            log.info("%d of %d messages are handed over", number, len(parcels))
    if twice is not None:
        raise twice
    return count_up(kit, _known(ledger, batch), sent)


def _known(ledger: Ledger, batch: Batch) -> dict[int, Delivery]:
    return {one.unit_key: one for one in deliveries_of(ledger, batch.account, batch=batch)}


def _keyed(kit: Kit) -> Iterator[tuple[int, KitEntry]]:
    for entry, subject in zip(kit.entries, kit.subjects, strict=True):
        assert subject.unit_key is not None, "a batch's units are in the ledger"
        yield subject.unit_key, entry


def _hand_over(
    ledger: Ledger, batch: Batch, parcel: Parcel, drawings: Sequence[Drawing], mailer: Mailer, letter: Letter
) -> Answer | None:
    """One message: written, claimed, sent, recorded. None where another message has one of its units."""
    message_id = make_msgid(domain=letter.address.rpartition("@")[2])
    message = _written(parcel, drawings, letter, message_id)
    if not claim(ledger, batch, parcel.unit_keys, message_id=message_id):
        return None
    # from here on the message counts as possibly sent, until the server's answer is in the ledger
    answer = mailer.send(message, to=parcel.address, sender=letter.address)
    if answer.fate is not Fate.ACCEPTED:
        log.warning("eSIM %s: the message is %s (%s)", parcel.entries[0].iccid, answer.fate, answer.codes)
    _record(ledger, batch, parcel, message_id, answer)
    return answer


def _written(parcel: Parcel, drawings: Sequence[Drawing], letter: Letter, message_id: str) -> EmailMessage:
    for entry, drawing in zip(parcel.entries, drawings, strict=True):
        verify_drawing(entry, drawing)
    return compose(
        parcel.entries,
        drawings,
        sender=letter.sender,
        subject=letter.subject,
        note=letter.note,
        reply_to=letter.reply_to,
        message_id=message_id,
    )


def _record(ledger: Ledger, batch: Batch, parcel: Parcel, message_id: str, answer: Answer) -> None:
    """An answer is worth waiting for a ledger that is gone for a moment: without it the message stays in doubt."""
    for wait in (*_LEDGER_WAITS, None):
        try:
            record_outcome(
                ledger,
                batch,
                parcel.unit_keys,
                message_id=message_id,
                state=_STATES[answer.fate],
                answer=f"{answer.fate} {answer.codes}".strip(),
            )
        except LedgerUnavailable:
            if wait is None:
                log.error(  # noqa: TRY400 - one line says it all
                    "Message %s is %s (%s), and the ledger cannot be told: it counts as possibly sent. 'airflow "
                    "esimgo kit resolve' sets that right",
                    message_id,
                    answer.fate,
                    answer.codes,
                )
                raise
            time.sleep(wait)
        else:
            return


def _drawn(parcels: Sequence[Parcel]) -> Iterator[tuple[Parcel, list[Drawing]]]:
    drawings = draw_all([entry.activation_code for parcel in parcels for entry in parcel.entries])
    for parcel in parcels:
        yield parcel, [next(drawings) for _ in parcel.entries]
