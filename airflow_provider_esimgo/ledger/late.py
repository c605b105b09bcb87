"""What to do with an answer that comes after another worker has taken the order over.

The vendor's order exists, whatever the ledger believes by now. Either it settles the matter, or a person
learns of it; it is never dropped.
"""

from sqlalchemy.exc import IntegrityError

from airflow_provider_esimgo.ledger.errors import OrderInReview, SuspectedDuplicate
from airflow_provider_esimgo.ledger.outcome import Answer
from airflow_provider_esimgo.ledger.records import Order, StrayKind
from airflow_provider_esimgo.ledger.states import OrderState
from airflow_provider_esimgo.ledger.store import Fenced, Ledger

_TRIES = 5


def record_late_answer(ledger: Ledger, sent: Order, answer: Answer) -> None:
    """Use a late answer if it settles the order, else put it before a person.

    Raises:
        OrderInReview: the order was about to be sent again although it took effect.
        SuspectedDuplicate: it was sent again: the vendor has probably charged it twice.
    """
    reference = answer.evidence.get("reference")
    evidence = {**answer.evidence, "answer": answer.state.value, "attempt_sent": sent.attempt}
    ledger.record(sent, "late_answer", evidence)
    if not isinstance(reference, str):
        return  # nothing took effect that we could name: whoever took over resolves it
    for _ in range(_TRIES):
        try:
            _settle(ledger, ledger.order(sent.key), sent, answer, reference)
        except Fenced:
            continue
        except IntegrityError:  # another order claims that reference already
            break
        return
    raise OrderInReview(
        f"Order {sent.number} took effect as {reference} after another worker had taken it over, and the ledger "
        f"could not bring the two together. Compare {reference} in the vendor's portal with "
        f"'airflow esimgo orders show {sent.key}'."
    )


def _settle(ledger: Ledger, current: Order, sent: Order, answer: Answer, reference: str) -> None:
    if current.reference == reference:
        return  # whoever took over found this very order and adopted it
    evidence = {**answer.evidence, "late": True}
    told = f"Order {sent.number} took effect as {reference} after another worker had taken it over"
    with ledger.database.write() as connection:
        if current.state is OrderState.UNKNOWN and current.attempt == sent.attempt:
            if answer.state is OrderState.PLACED:
                ledger.move(
                    connection,
                    current,
                    OrderState.PLACED,
                    evidence=evidence,
                    reference=reference,
                    message=told,
                )
            return  # else the books have it: whoever resolves the order will find it there
        if current.state in {OrderState.UNKNOWN, OrderState.PLANNED}:
            ledger.move(connection, current, OrderState.REVIEW, evidence=evidence, message=told)
        elif current.state is not OrderState.REVIEW:
            ledger.add_stray(connection, current, reference, StrayKind.DUPLICATE)
            ledger.record(current, "suspected_duplicate", evidence, connection=connection)
    if current.state in {OrderState.UNKNOWN, OrderState.PLANNED, OrderState.REVIEW}:
        raise OrderInReview(
            f"{told}. It was not sent again and now waits for a person: if that reference is this order, run "
            f"'airflow esimgo orders resolve {current.key} --adopt {reference}'."
        )
    raise SuspectedDuplicate(
        f"{told}, and it was sent again since: it was probably charged twice, {sent.due:,.2f} each. "
        f"The ledger keeps {current.reference or 'the later order'} and lists {reference} as a suspected duplicate "
        "('airflow esimgo ledger check'). Compare both in the vendor's portal and ask for a refund of one."
    )
