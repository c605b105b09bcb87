"""The approval as a task sees it: asked on Airflow's page, answered by an event, decided in the ledger."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators import hitl
from airflow_lab.desk import GB, NL, Desk

from airflow_provider_esimgo.hooks.compat import AirflowFailException
from airflow_provider_esimgo.ledger.approval import approvals_of
from airflow_provider_esimgo.ledger.database import Database
from airflow_provider_esimgo.operators.approval import EsimGoApprovalOperator

ADA, BEN = {"id": "ada", "name": "Ada"}, {"id": "ben", "name": "Ben"}


class Chair:
    """Asks and answers as Airflow would: one question a task try."""

    def __init__(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        self.desk = desk
        self.pages: list[dict[str, Any]] = []
        self._tries = count(1)
        monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **page: self.pages.append(page))

    def operator(self, **fields: Any) -> EsimGoApprovalOperator:
        return EsimGoApprovalOperator(task_id="approve", **{"batch_id": "batch", **fields})

    def context(self, requester: str | None = "ada") -> Any:
        instance = SimpleNamespace(
            id=f"try-{next(self._tries)}",
            dag_id="dag",
            run_id="run",
            task_id="approve",
            map_index=-1,
            try_number=1,
        )
        run = SimpleNamespace(triggering_user_name=requester)
        return {"ti": instance, "task_instance": instance, "dag_run": run}

    def ask(self, operator: EsimGoApprovalOperator, context: Any) -> BaseException:
        """Until the task waits; tells what it waits by."""
        with pytest.raises(BaseException) as waits:  # noqa: PT011 - Airflow 3.3 parks, 3.1 defers
            operator.execute(context)
        assert type(waits.value).__name__ in ("TaskAwaitingInput", "TaskDeferred"), waits.value
        assert waits.value.method_name == "execute_complete"  # type: ignore[attr-defined]
        return waits.value

    def answer(self, choice: str = "Approve", by: dict[str, str] | None = BEN) -> dict[str, Any]:
        return {
            "chosen_options": [choice],
            "params_input": {},
            "responded_at": datetime.now(UTC),
            "responded_by_user": by,
        }

    def decide(self, event: dict[str, Any], *, requester: str | None = "ada", **fields: Any) -> Any:
        """Ask in one process, be answered in another."""
        context = self.context(requester)
        self.ask(self.operator(**fields), context)
        return self.operator(**fields).execute_complete(context, event)

    def choices(self, batch_id: str = "batch") -> list[str | None]:
        with self.desk.hook() as hook:
            return [
                row.choice for row in approvals_of(hook.ledger, hook.ledger.batch(hook.account, batch_id))
            ]


@pytest.fixture
def chair(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Chair:
    return Chair(desk, monkeypatch)


def test_a_second_person_approves_and_the_plan_is_bought(desk: Desk, chair: Chair):
    plan = desk.validate(client="Acme")
    told = chair.decide(chair.answer())
    assert told == {
        "batch_id": "batch",
        "account": plan["account"],
        "plan_hash": plan["plan_hash"],
        "choice": "approved",
        "by": "Ben",
    }
    assert json.loads(json.dumps(told)) == told
    desk.place(require_approval=True)
    assert len(desk.sandbox.orders()) == 1


def test_the_page_shows_the_card_and_the_plan(desk: Desk, chair: Chair):
    plan = desk.validate(desk.manifest(f"ana,{GB},2,,Sales", f"bo,{NL}"), client="Acme")
    users = [{"id": "ben", "name": "Ben"}]
    chair.ask(chair.operator(assigned_users=users), chair.context())
    (page,) = chair.pages
    assert page["subject"] == "Buy 3 eSIM units for 4.14 USD: batch batch"
    assert page["options"] == ["Approve", "Reject"]
    assert page["assigned_users"] == users
    for text in ("`Acme`", plan["plan_hash"], "4.14 USD", f"`{GB}` | 2 | 2.72", "`Sales`", "Valid until"):
        assert text in page["body"]
    assert "ana" not in page["body"]


def test_the_page_tells_of_rows_that_were_put_aside_and_of_no_person(desk: Desk, chair: Chair):
    manifest = desk.manifest(
        f"ana,{GB},2,,,=Lovelace,@lovelace.example", f"bo,{NL},0", f"cy,{NL},1,,,Lovelace,x"
    )
    desk.validate(manifest, on_faults="quarantine", report_destination=str(desk.kits))
    chair.ask(chair.operator(), chair.context())
    assert "put aside: not in this plan" in chair.pages[0]["body"]
    assert "ovelace" not in chair.pages[0]["body"]


def test_nothing_is_bought_before_the_answer(desk: Desk, chair: Chair):
    desk.validate()
    chair.ask(chair.operator(), chair.context())
    with pytest.raises(AirflowFailException, match="has no approval of the plan"):
        desk.place(require_approval=True)
    assert not desk.sandbox.orders()


def test_the_requester_himself_does_not_count(desk: Desk, chair: Chair):
    desk.validate()
    with pytest.raises(AirflowFailException, match="by Ada does not count: Ada started the run"):
        chair.decide(chair.answer(by=ADA))
    with pytest.raises(AirflowFailException, match="has no approval"):
        desk.place(require_approval=True)


def test_the_requester_may_where_that_is_allowed_and_anybody_when_the_run_was_scheduled(
    desk: Desk, chair: Chair
):
    desk.validate()
    assert chair.decide(chair.answer(by=ADA), allow_self_approval=True)["by"] == "Ada"
    desk.validate(desk.manifest(f"cy,{NL}", name="other.csv"), batch_id="other")
    assert chair.decide(chair.answer(by=ADA), requester=None, batch_id="other")["by"] == "Ada"


def test_a_plan_that_changed_while_the_question_stood_fails_and_says_so(desk: Desk, chair: Chair):
    manifest = desk.manifest()
    desk.validate(manifest)
    context = chair.context()
    chair.ask(chair.operator(), context)
    desk.sandbox.set_price(GB, "9.00")
    desk.validate(manifest)
    with pytest.raises(AirflowFailException, match=r"does not count: the plan was .* and is now"):
        chair.operator().execute_complete(context, chair.answer())
    with pytest.raises(AirflowFailException, match="has no approval"):
        desk.place(require_approval=True)
    assert chair.decide(chair.answer())["choice"] == "approved", "asked again about the new plan"
    desk.place(require_approval=True)


def test_the_price_moved_after_the_approval(desk: Desk, chair: Chair):
    desk.validate()
    chair.decide(chair.answer())
    desk.sandbox.set_price(GB, "9.00")
    with pytest.raises(AirflowFailException, match=r"and now costs 19\.42 USD"):
        desk.place(require_approval=True)
    assert not desk.sandbox.orders()


def test_an_approval_of_another_batch_does_not_count(desk: Desk, chair: Chair):
    desk.validate()
    desk.validate(desk.manifest(f"cy,{NL}", name="other.csv"), batch_id="other")
    chair.decide(chair.answer(), batch_id="other")
    with pytest.raises(AirflowFailException, match="'batch' has no approval"):
        desk.place(require_approval=True)


def test_an_expired_plan_is_neither_asked_about_nor_bought(
    desk: Desk, chair: Chair, monkeypatch: pytest.MonkeyPatch
):
    manifest = desk.manifest()
    desk.validate(manifest, plan_valid_for=timedelta(hours=2))
    chair.decide(chair.answer())
    now = Database.now
    monkeypatch.setattr(Database, "now", lambda *given: now(*given) + 3 * 3600 * 1000)
    with pytest.raises(
        AirflowFailException, match=r"its plan was valid until .* Validate the manifest again"
    ):
        desk.place(require_approval=True)
    desk.validate(manifest)
    with pytest.raises(AirflowFailException, match="an earlier approval ended when the plan expired"):
        desk.place(require_approval=True)
    chair.decide(chair.answer())
    desk.place(require_approval=True)


def test_a_rejection_is_recorded_and_skips_what_comes_after(
    desk: Desk, chair: Chair, monkeypatch: pytest.MonkeyPatch
):
    desk.validate()
    skipped: list[Any] = []
    monkeypatch.setattr(EsimGoApprovalOperator, "skip", lambda self, **given: skipped.append(given))
    context, operator = chair.context(), chair.operator()
    operator.downstream_task_ids = {"place"}
    chair.ask(operator, context)
    told = operator.execute_complete(context, chair.answer("Reject"))
    assert told["choice"] == "rejected"
    assert len(skipped) == 1
    assert chair.choices() == ["rejected"]
    with pytest.raises(AirflowFailException, match="the last answer: rejected by Ben"):
        desk.place(require_approval=True)


def test_a_rejection_may_fail_the_task_and_is_not_retried(desk: Desk, chair: Chair):
    desk.validate()
    with pytest.raises(AirflowFailException, match="was rejected by Ben"):
        chair.decide(chair.answer("Reject"), fail_on_reject=True)
    assert chair.choices() == ["rejected"]


def test_silence_fails_where_no_default_is_given(desk: Desk, chair: Chair):
    desk.validate()
    event = {"error": "The timeout has passed", "error_type": "timeout"}
    with pytest.raises(AirflowFailException, match="is not approved: nobody answered in time"):
        chair.decide(event, response_timeout=timedelta(hours=1))
    assert chair.choices() == ["void"]


def test_silence_rejects_where_that_is_the_default(desk: Desk, chair: Chair):
    desk.validate()
    told = chair.decide(
        chair.answer("Reject", by=None), response_timeout=timedelta(hours=1), defaults="Reject"
    )
    assert (told["choice"], told["by"]) == ("rejected", "nobody")


def test_silence_never_approves(desk: Desk, chair: Chair):
    for defaults in ("Approve", ["Approve"]):
        with pytest.raises(ValueError, match="given by a person"):
            chair.operator(defaults=defaults, response_timeout=timedelta(hours=1))
    desk.validate()
    with pytest.raises(AirflowFailException, match="by nobody does not count"):
        chair.decide(chair.answer(by=None))


def test_an_unusable_answer_is_no_approval(desk: Desk, chair: Chair):
    desk.validate()
    with pytest.raises(AirflowFailException, match="the answer was unusable"):
        chair.decide({"error": "bad input", "error_type": "validation"})


def test_a_worker_that_died_after_writing_the_answer_writes_it_once(desk: Desk, chair: Chair):
    desk.validate()
    context = chair.context()
    chair.ask(chair.operator(), context)
    event = chair.answer()
    first = chair.operator().execute_complete(context, event)
    assert chair.operator().execute_complete(context, event) == first
    assert chair.choices() == ["approved"]


def test_an_approved_plan_is_not_asked_about_again(desk: Desk, chair: Chair):
    desk.validate()
    told = chair.decide(chair.answer())
    desk.validate()
    assert chair.operator().execute(chair.context()) == told
    assert len(chair.pages) == 1


@pytest.mark.parametrize(
    ("requester", "fields"), [("ben", {}), ("ada", {"assigned_users": [{"id": "cy", "name": "Cy"}]})]
)
def test_an_approval_that_this_task_would_not_accept_is_asked_for_again(
    desk: Desk, chair: Chair, requester: str, fields: dict[str, Any]
):
    desk.validate()
    chair.decide(chair.answer())
    chair.ask(chair.operator(**fields), chair.context(requester))


def test_a_bought_batch_has_nothing_to_approve(desk: Desk, chair: Chair):
    desk.bought()
    assert chair.operator().execute(chair.context())["choice"] is None
    assert not chair.pages


def test_a_batch_that_nobody_planned_is_refused(desk: Desk, chair: Chair):
    with pytest.raises(AirflowFailException, match="has no batch 'batch'"):
        chair.operator().execute(chair.context())


def test_what_cannot_be_meant_is_refused_when_the_dag_is_read(chair: Chair):
    with pytest.raises(ValueError, match="body is the cost card"):
        chair.operator(body="Please")
    with pytest.raises(AirflowFailException, match="needs a DAG run"):
        chair.operator().execute({})  # type: ignore[typeddict-item]


def test_the_batch_is_named_by_a_template():
    assert "batch_id" in EsimGoApprovalOperator.template_fields
    assert "body" not in EsimGoApprovalOperator.template_fields, "the card is never read as a template"
