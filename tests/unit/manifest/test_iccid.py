"""ICCIDs: whatever a spreadsheet or a program has done to one, it does not pass."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_esimgo.manifest import ManifestError, read_manifest
from airflow_provider_esimgo.manifest.iccid import luhn_valid


def check_digit(body: str) -> str:
    total = 0
    for at, character in enumerate(reversed(body)):
        digit = int(character) * (2 if at % 2 == 0 else 1)
        total += digit - 9 if digit > 9 else digit
    return str(-total % 10)


bodies = st.integers(15, 17).flatmap(lambda size: st.text("0123456789", min_size=size, max_size=size))
few = settings(max_examples=50)  # each reads a file
healthy = bodies.map(lambda body: "89" + body + check_digit("89" + body)).filter(
    lambda iccid: iccid[15:].strip("0")
)


def read(iccid: str):
    return read_manifest(io.BytesIO(f'recipient_ref,bundle,iccid\nE1,b,"{iccid}"\n'.encode()))


def assert_refused(damaged: str) -> None:
    with pytest.raises(ManifestError) as refused:
        read(damaged)
    assert refused.value.errors
    assert all(fault.column == "iccid" and fault.row == 2 for fault in refused.value.errors)


@few
@given(healthy)
def test_a_healthy_iccid_passes_unchanged_and_without_warning(iccid):
    manifest = read(iccid)
    assert manifest.rows[0].iccid == iccid
    assert manifest.warnings == ()


@few
@given(healthy, st.sampled_from([".2E", ".5e", ".14E", ".0E"]), st.sampled_from(".,"))
def test_scientific_notation_is_refused(iccid, form, point):
    assert_refused(format(float(iccid), form).replace(".", point))


@few
@given(healthy)
def test_fifteen_digits_and_zeros_are_refused(iccid):
    assert_refused(iccid[:15] + "0" * (len(iccid) - 15))


@few
@given(healthy, st.sampled_from([".0", ".", ",0", ".00", " ", "F", "\t", "\n", "\u00a0", "\u200b", "'"]))
def test_anything_behind_the_digits_is_refused(iccid, tail):
    assert_refused(iccid + tail)


@few
@given(healthy, st.sampled_from([" ", "'", "=", "+", "-", "\t", "\ufeff", "iccid:"]))
def test_anything_before_the_digits_is_refused(iccid, start):
    assert_refused(start + iccid)


@few
@given(healthy, st.data())
def test_gaps_between_the_digits_are_refused(iccid, data):
    at = data.draw(st.integers(1, len(iccid) - 1))
    gap = data.draw(st.sampled_from([" ", "-", "\u00a0", "\u2009", "\u200b", ".", ",", "٣", "e"]))
    assert_refused(iccid[:at] + gap + iccid[at:])


@few
@given(healthy, st.integers(1, 17))
def test_lost_digits_are_refused(iccid, kept):
    assert_refused(iccid[:kept])


@few
@given(healthy)
def test_a_float_and_back_is_never_silent(iccid):
    through_float = str(int(float(iccid)))
    if through_float == iccid:
        return
    if luhn_valid([through_float])[0]:
        return  # one in ten lands on a valid number: no reader of this file alone can tell
    assert_refused(through_float)


@few
@given(healthy, st.integers(0, 9))
def test_a_failed_check_digit_is_at_least_a_warning(iccid, last):
    damaged = iccid[:-1] + str(last)
    if damaged == iccid:
        return
    try:
        manifest = read(damaged)
    except ManifestError:
        return
    assert [fault.code for fault in manifest.warnings] == ["iccid_check_digit"]


@given(st.lists(healthy, max_size=20))
def test_the_vectorised_check_digit_agrees_with_the_textbook(iccids):
    spoilt = [iccid[:-1] + str((int(iccid[-1]) + 1) % 10) for iccid in iccids]
    assert luhn_valid(iccids + spoilt).tolist() == [True] * len(iccids) + [False] * len(spoilt)


@pytest.mark.parametrize(
    ("iccid", "code"),
    [
        ("8.94E+18", "iccid_scientific"),
        ("8944538532008160222.0", "iccid_decimal"),
        ("8944 5385 3200 8160 222", "iccid_spaces"),
        ("8944538532008160222F", "iccid_not_digits"),
        ("'8944538532008160222", "iccid_not_digits"),
        ("894453853200816", "iccid_length"),
        ("894453853200816022211", "iccid_length"),
        ("8944538532008160000", "iccid_rounded"),
        ("8944123456789012480", "iccid_rounded"),
        ("8944123456789012000", "iccid_rounded"),
    ],
)
def test_each_kind_of_damage_has_its_name(iccid, code):
    with pytest.raises(ManifestError) as refused:
        read(iccid)
    assert [fault.code for fault in refused.value.faults] == [code]
