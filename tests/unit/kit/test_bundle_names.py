"""Bundle names in words: the catalogue decides, the grammar helps, and nothing is guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_esimgo.kit.bundle_names import BundleName, in_words, read_bundle_name
from airflow_provider_esimgo.sandbox.catalogue import standard_catalogue


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("esim_1GB_7D_NL_V2", "1 GB for 7 days, NL"),
        ("esim_10GB_30D_IM_U", "10 GB for 30 days, IM"),
        ("esim_50GB_90D_RGBS_V2", "50 GB for 90 days, Global Standard"),
        ("esim_3GB_30D_REUP_V2", "3 GB for 30 days, Europe+"),
        ("esim_500MB_1D_GB_V2", "500 MB for 1 day, GB"),
        ("esim_1.5GB_7D_GB_V2", "1.5 GB for 7 days, GB"),
        ("esim_UL_1D_TR_V2", "unlimited Lite for 1 day, TR"),
        ("esim_ULE_7D_US_V2", "unlimited Essential for 7 days, US"),
        ("esim_ULP_7D_JP_V2", "unlimited Plus for 7 days, JP"),
    ],
)
def test_a_name_of_the_usual_grammar_is_explained(name: str, words: str):
    assert in_words(name) == words


@pytest.mark.parametrize(
    "name", ["", "esim", "esim_1gb_7D_GB_V2", "ESIM_1GB_7D_GB_V2", "esim_1GB_GB_V2", "esim_1GB_7D_GB_V2\n"]
)
def test_another_name_is_not_guessed_at(name: str):
    assert read_bundle_name(name) is None
    assert in_words(name) is None


def test_the_parts_are_told_apart():
    assert read_bundle_name("esim_ULE_15D_REUP_V2") == BundleName(-1, 15, "REUP", "V2", "Essential")
    assert read_bundle_name("esim_1GB_7D_GB_V2") == BundleName(1000, 7, "GB", "V2")


def test_the_catalogue_goes_before_the_name():
    told = in_words("esim_1GB_7D_GB_V2", data_mb=2000, days=8, description="eSIM, 2GB, 8 Days, Wales, V3")
    assert told == "2 GB for 8 days, Wales"
    assert in_words("esim_ULE_7D_US_V2", data_mb=3000) == "3 GB for 7 days, US"
    assert in_words("esim_1GB_7D_GB_V2", data_mb=-1) == "unlimited for 7 days, GB"


def test_the_catalogue_explains_a_name_without_grammar():
    assert in_words("promo", data_mb=1000, days=1, description="A gift") == "1 GB for 1 day"
    assert in_words("promo", data_mb=1000) is None


def test_an_area_with_a_comma_stays_whole():
    told = in_words("esim_1GB_7D_KR_V2", description="eSIM, 1GB, 7 Days, Korea, Republic of, V2")
    assert told == "1 GB for 7 days, Korea, Republic of"


def test_name_and_catalogue_agree_for_every_bundle_of_the_sandbox():
    for bundle in standard_catalogue().values():
        parts = read_bundle_name(bundle.name)
        assert parts
        assert (parts.data_mb, parts.days) == (bundle.data_mb, bundle.days)
        told = in_words(bundle.name, data_mb=bundle.data_mb, days=bundle.days, description=bundle.description)
        assert told
        assert told.endswith(f", {bundle.countries[0].name}")


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_taken(name: str, description: str):
    in_words(name, description=description)
    read_bundle_name(name)
