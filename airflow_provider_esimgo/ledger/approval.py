"""Who said yes to which plan.

A question is about one plan hash and is answered once; an answer counts only for that hash. The last answer
about a plan decides, and no approval outlives the plan's term.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import insert, or_, select, update
from sqlalchemy.engine import Connection, RowMapping

from airflow_provider_esimgo.ledger.errors import PlanRefused
from airflow_provider_esimgo.ledger.planning import begun
from airflow_provider_esimgo.ledger.records import Approval, Batch, Choice
from airflow_provider_esimgo.ledger.schema import approvals
from airflow_provider_esimgo.ledger.store import Ledger


@dataclass(frozen=True)
class Approver:
    """The person who answered, as Airflow knows them."""

    id: str
    name: str | None = None

    def is_same_as(self, other: str | None) -> bool:
        """Whether Airflow's name of somebody may be this person's: in doubt it is."""
        if not other:
            return False
        return other.strip().casefold() in {
            known.strip().casefold() for known in (self.id, self.name) if known
        }


def ask(ledger: Ledger, batch: Batch, *, request: str, requester: str | None = None) -> None:
    """Write down what a person is about to be asked: about the plan as `batch` has it.

    Args:
        request: who asks, for example the id of an Airflow task try; the answer names it.
        requester: who started the run; None where nobody did.

    Raises:
        PlanRefused: the plan expired, or is no longer the stored one.
    """
    with ledger.database.write() as connection:
        stored = _stored(ledger, connection, batch)
        now = ledger.database.now(connection)
        if why := _no_longer(connection, stored, batch.plan_hash, now):
            raise PlanRefused(f"Nobody was asked about batch {batch.batch_id!r}: {why}. {CURE}")
        asked = {
            "plan_hash": batch.plan_hash,
            "requester": _short(requester),
            "asked_at": now,
        }
        earlier = _row(connection, stored, request)
        if earlier is None:
            values = {"account": stored.account, "batch_key": stored.key, "request": request}
            connection.execute(insert(approvals).values(**values, **asked))
        elif earlier["choice"] is None:  # the same task try again, after a worker died
            connection.execute(update(approvals).where(approvals.c.id == earlier["id"]).values(**asked))
        ledger.append(connection, stored.account, "asked", batch_key=stored.key, evidence=asked)


def record_approval(
    ledger: Ledger,
    batch: Batch,
    *,
    request: str,
    approved: bool,
    approver: Approver | None,
    allow_self_approval: bool = False,
    note: str | None = None,
) -> Approval:
    """Write down the answer to a question, once; what it is worth is decided here.

    Args:
        approver: who answered; None where the time ran out.
        note: a word about it, for people.

    Returns:
        The answer as the ledger has it, VOID where it does not count. Telling it again changes nothing.

    Raises:
        PlanRefused: this was never asked.
    """
    with ledger.database.write() as connection:
        stored = _stored(ledger, connection, batch)
        row = _row(connection, stored, request)
        if row is None:
            raise PlanRefused(
                f"The ledger knows of no question {request!r} about batch {batch.batch_id!r}. Nothing was sent. "
                "Clear the approval task, so that it asks again."
            )
        asked = Approval.from_row(row)
        if asked.choice is not None:
            return asked
        now = ledger.database.now(connection)
        choice = Choice.APPROVED if approved else Choice.REJECTED
        if approved:
            doubt = _doubt(asked, approver, allow_self_approval) or _no_longer(
                connection, stored, asked.plan_hash, now
            )
            if doubt:
                choice, note = Choice.VOID, doubt
        answer = {
            "choice": choice.value,
            "user_id": _short(approver.id if approver else None),
            "user_name": _short(approver.name if approver else None),
            "at": now,
            "note": note,
        }
        connection.execute(
            update(approvals)
            .where(approvals.c.id == asked.key, approvals.c.choice.is_(None))
            .values(**answer)
        )
        evidence = {**answer, "plan_hash": asked.plan_hash, "requester": asked.requester, "request": request}
        ledger.append(connection, stored.account, choice.value, batch_key=stored.key, evidence=evidence)
        decided = _row(connection, stored, request)
        assert decided is not None
        return Approval.from_row(decided)


def record_silence(ledger: Ledger, batch: Batch, *, request: str, note: str) -> None:
    """Nobody answered in time: the question can no longer be answered."""
    with ledger.database.write() as connection:
        stored = _stored(ledger, connection, batch)
        now = ledger.database.now(connection)
        closed = connection.execute(
            update(approvals)
            .where(
                approvals.c.batch_key == stored.key,
                approvals.c.request == request,
                approvals.c.choice.is_(None),
            )
            .values(choice=Choice.VOID.value, at=now, note=note)
        )
        if closed.rowcount:
            evidence = {"note": note, "request": request}
            ledger.append(connection, stored.account, "unanswered", batch_key=stored.key, evidence=evidence)


def standing_approval(connection: Connection, batch: Batch) -> Approval | None:
    """The approval of exactly this plan, if the last word about it is one."""
    decisive = or_(
        approvals.c.choice == Choice.LAPSED.value,
        (approvals.c.plan_hash == batch.plan_hash)
        & approvals.c.choice.in_([Choice.APPROVED.value, Choice.REJECTED.value]),
    )
    row = (
        connection.execute(
            select(approvals)
            .where(approvals.c.batch_key == batch.key, decisive)
            .order_by(approvals.c.at.desc(), approvals.c.id.desc())
            .limit(1)
        )
        .mappings()
        .first()
    )
    last = Approval.from_row(row) if row else None
    return last if last is not None and last.choice is Choice.APPROVED else None


def approvals_of(ledger: Ledger, batch: Batch) -> list[Approval]:
    """Every question about the batch, the oldest first."""
    query = select(approvals).where(approvals.c.batch_key == batch.key).order_by(approvals.c.id)
    with ledger.database.read() as connection:
        return [Approval.from_row(row) for row in connection.execute(query).mappings()]


def refuse_unless_leave(
    ledger: Ledger, connection: Connection, batch: Batch, *, require_approval: bool
) -> None:
    """Stop a purchase that nobody gave leave for: of another plan, of an expired one, or of one not approved.

    Raises:
        PlanRefused: with the cure.
    """
    stored = _stored(ledger, connection, batch)
    if stored.plan_hash != batch.plan_hash:
        raise PlanRefused(
            f"Batch {batch.batch_id!r} was planned anew while this call waited to buy it (plan "
            f"{batch.plan_hash[:12]}, now {stored.plan_hash[:12]} for {stored.total:,.2f} "
            f"{stored.currency}). Nothing was sent. Have the new plan approved where that is asked for, and "
            "run the task again."
        )
    if why := _no_longer(connection, stored, batch.plan_hash, ledger.database.now(connection)):
        raise PlanRefused(f"Batch {batch.batch_id!r} is not bought: {why}. {CURE}")
    if require_approval and standing_approval(connection, stored) is None:
        raise PlanRefused(
            f"Batch {batch.batch_id!r} has no approval of the plan {stored.plan_hash[:12]} "
            f"({stored.total:,.2f} {stored.currency} for {stored.unit_count} units){_told(connection, stored)}. "
            "No order was sent by this call without it. Put an EsimGoApprovalOperator before this task, or clear it "
            "so that it asks again."
        )


CURE = "Nothing was sent. Validate the manifest again: the same content gets a fresh plan under the same batch_id."


def _no_longer(connection: Connection, stored: Batch, plan_hash: str, now: int) -> str | None:
    """Why the plan that was asked about cannot be bought any more."""
    if stored.plan_hash != plan_hash:
        return (
            f"the plan was {plan_hash[:12]} and is now {stored.plan_hash[:12]} for {stored.total:,.2f} "
            f"{stored.currency}"
        )
    if stored.expired(now) and not begun(connection, stored):
        return (
            f"its plan was valid until {stored.expires:%Y-%m-%d %H:%M} UTC and nothing of it has been bought"
        )
    return None


def _doubt(asked: Approval, approver: Approver | None, allow_self_approval: bool) -> str | None:
    """Why this person's yes does not count."""
    if approver is None:
        return "nobody gave the answer"
    if not allow_self_approval and approver.is_same_as(asked.requester):
        return f"{approver.name or approver.id} started the run, and somebody else has to approve it"
    return None


def _told(connection: Connection, stored: Batch) -> str:
    """What the last answer about the batch was, if there is one."""
    row = (
        connection.execute(
            select(approvals)
            .where(approvals.c.batch_key == stored.key, approvals.c.choice.is_not(None))
            .order_by(approvals.c.at.desc(), approvals.c.id.desc())
            .limit(1)
        )
        .mappings()
        .first()
    )
    if row is None:
        return ""
    last = Approval.from_row(row)
    match last.choice:
        case Choice.LAPSED:
            return "; an earlier approval ended when the plan expired"
        case Choice.VOID:
            return f"; the last answer did not count: {last.note}"
        case _:
            return f"; the last answer: {last.choice} by {last.by} for plan {last.plan_hash[:12]}"


def _stored(ledger: Ledger, connection: Connection, batch: Batch) -> Batch:
    stored = ledger.read_batch(connection, batch.account, batch.batch_id)
    if stored is None or stored.key != batch.key:
        raise PlanRefused(f"Batch {batch.batch_id!r} is no longer in the ledger. {CURE}")
    return stored


def _row(connection: Connection, batch: Batch, request: str) -> RowMapping | None:
    query = select(approvals).where(approvals.c.batch_key == batch.key, approvals.c.request == request)
    return connection.execute(query).mappings().first()


def _short(text: str | None) -> str | None:
    return None if text is None else text[:191]
