"""Where kits are, and what is erased: what tells about people goes, the money stays."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from airflow_provider_esimgo.ledger.check import broken_invariants
from airflow_provider_esimgo.ledger.errors import KitFolderTaken
from airflow_provider_esimgo.ledger.kits import (
    erase_recipients,
    in_doubt,
    last_moment,
    record_kit,
    record_purge,
    written_kits,
)
from airflow_provider_esimgo.ledger.schema import events, orders, units


@pytest.fixture
def bought(bench):
    batch = bench.plan(("ada", bench.GB, 2), ("ben", bench.NL))
    bench.place(batch)
    return batch


def written(bench, folder, *batches, conn_id=None, host="here", account=None):
    keys = [batch.key for batch in batches]
    record_kit(
        bench.ledger,
        account or bench.ACCOUNT,
        keys,
        folder=folder,
        conn_id=conn_id,
        host=host,
        counts={"units": 3},
    )


def test_a_kit_is_remembered_until_it_is_purged(bench, bought):
    written(bench, "s3://kits/acme", bought, conn_id="aws")
    (kit,) = written_kits(bench.ledger, bench.ACCOUNT)
    assert (kit.folder, kit.conn_id, kit.batch_keys) == ("s3://kits/acme", "aws", {bought.key})
    record_purge(bench.ledger, kit, files=7)
    assert written_kits(bench.ledger, bench.ACCOUNT) == []
    written(bench, "s3://kits/acme", bought)
    assert len(written_kits(bench.ledger, bench.ACCOUNT)) == 1, "it was made again"


def test_a_kit_written_twice_is_one_kit_and_as_old_as_its_last_writing(bench, bought):
    written(bench, "/kits/acme", bought)
    bench.clock.sleep(60)
    written(bench, "/kits/acme", bought)
    (kit,) = written_kits(bench.ledger, bench.ACCOUNT)
    with bench.database.read() as connection:
        assert kit.at > bench.database.now(connection) - 30_000


def test_a_kit_remembers_every_machine_that_wrote_it(bench, bought):
    written(bench, "/kits/acme", bought, host="one")
    written(bench, "/kits/acme", bought, host="two")
    (kit,) = written_kits(bench.ledger, bench.ACCOUNT)
    assert kit.hosts == {"one", "two"}


def test_the_same_url_by_two_connections_is_two_kits(bench, bought):
    for conn_id in ("aws_one", "aws_two"):
        written(bench, "s3://kits/acme", bought, conn_id=conn_id, host=None)
    assert {kit.conn_id for kit in written_kits(bench.ledger, bench.ACCOUNT)} == {"aws_one", "aws_two"}


def test_a_folder_with_another_accounts_kit_is_not_written_to(bench, bought):
    written(bench, "/kits/acme", account="somebody else")
    with pytest.raises(KitFolderTaken, match="'somebody else'"):
        written(bench, "/kits/acme", bought)
    (kit,) = written_kits(bench.ledger, "somebody else")
    record_purge(bench.ledger, kit, files=1)
    written(bench, "/kits/acme", bought)


def test_a_kit_of_no_batch_and_one_of_several_are_remembered_too(bench, bought):
    other = bench.plan(("eve", bench.GB), batch_id="other")
    written(bench, "/kits/portal")
    written(bench, "/kits/both", bought, other)
    kits = {kit.folder: kit.batch_keys for kit in written_kits(bench.ledger, bench.ACCOUNT)}
    assert kits == {"/kits/portal": set(), "/kits/both": {bought.key, other.key}}


def test_another_accounts_kits_are_not_ours(bench, bought):
    written(bench, "/kits/acme", bought)
    assert written_kits(bench.ledger, "somebody else") == []


def test_erasing_takes_what_tells_about_people_and_leaves_every_money_row(bench, bought):
    def money():
        kept = [column for column in units.c if column.name not in ("recipient_ref", "country", "install_by")]
        with bench.database.read() as connection:
            return (
                connection.execute(select(*kept)).all(),
                connection.execute(select(orders)).all(),
                connection.execute(select(events)).all(),
            )

    before = money()
    assert erase_recipients(bench.ledger, bought) == 3
    after = money()
    assert after[:2] == before[:2]
    assert after[2][: len(before[2])] == before[2]
    assert [unit.recipient_ref for unit in bench.ledger.units(bought)] == ["erased-1", "erased-2", "erased-3"]
    assert "ada" not in bench.dump()
    assert broken_invariants(bench.ledger) == []


def test_erasing_twice_is_once(bench, bought):
    erase_recipients(bench.ledger, bought)
    assert erase_recipients(bench.ledger, bought) == 0
    erased = [one for one in bench.ledger.events(batch=bought) if one.kind == "recipients_erased"]
    assert len(erased) == 1
    assert erased[0].actor == {"dag_id": "bench", "try_number": 1}
    assert erased[0].evidence["units"] == 3


def test_an_erased_batch_cannot_be_bought_again(bench, bought):
    """Whose units they were is forgotten; that they were bought is not."""
    erase_recipients(bench.ledger, bought)
    again = bench.plan(("ada", bench.GB, 2), ("ben", bench.NL))
    assert again.key == bought.key
    bench.place(again)
    assert len(bench.server.orders()) == 1


def test_a_batch_in_doubt_says_why(bench, bought):
    assert in_doubt(bench.ledger, bought) is None
    planned = bench.plan(("eve", bench.GB), batch_id="other")
    assert in_doubt(bench.ledger, planned) == "1 orders are PLANNED"
    assert erase_recipients(bench.ledger, planned) == 0


def test_a_plan_that_nobody_began_and_nobody_can_begin_any_more_is_in_no_doubt(bench):
    planned = bench.plan(("zoltan-77", bench.GB), batch_id="other")
    bench.clock.sleep(25 * 3600)
    assert in_doubt(bench.ledger, planned) is None
    assert erase_recipients(bench.ledger, planned) == 1
    assert "zoltan" not in bench.dump()


def test_a_batch_is_as_old_as_its_last_order(bench, bought):
    planned = last_moment(bench.ledger, bought)
    assert planned >= bought.planned_at
    other = bench.plan(("eve", bench.GB), batch_id="other")
    assert last_moment(bench.ledger, other) == other.planned_at
