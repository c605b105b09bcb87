"""eSIMs: the list's rows, one in full, its history, its whereabouts.

Must stay true: PIN, PUK, matching id and install links are secrets and never in a repr; ICCIDs are text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from airflow_provider_esimgo.api.models.parse import Fields, instant
from airflow_provider_esimgo.api.models.states import EsimState, ProfileStatus


@dataclass(frozen=True)
class EsimSummary:
    """A row of GET /esims [D24][D25]; `msisdn` and `state` from 2.5 on, else ""."""

    iccid: str
    customer_ref: str
    last_action: str
    action_date: str
    assigned_date: str
    physical: bool
    msisdn: str
    state: str

    @property
    def esim_state(self) -> EsimState:
        return EsimState.read(self.state)

    @property
    def assigned_at(self) -> datetime | None:
        return instant(self.assigned_date)

    @property
    def action_at(self) -> datetime | None:
        return instant(self.action_date)

    @classmethod
    def parse(cls, fields: Fields) -> EsimSummary:
        return cls(
            iccid=fields.text("iccid"),
            customer_ref=fields.text("customerRef"),
            last_action=fields.text("lastAction"),
            action_date=fields.text("actionDate"),
            assigned_date=fields.text("assignedDate"),
            physical=fields.flag("physical") or False,
            msisdn=fields.text("msisdn"),
            state=fields.text("state"),
        )


@dataclass(frozen=True)
class Esim:
    """GET /esims/{iccid} [D24][D25]. `first_installed` is ms since 1970 or a date, as sent."""

    iccid: str
    customer_ref: str
    profile_status: str
    first_installed: str
    smdp_address: str
    state: str
    msisdn: str
    branding_id: str
    profile_name: str
    matching_id: str = field(repr=False)
    pin: str = field(repr=False)
    puk: str = field(repr=False)
    apple_install_url: str = field(repr=False)
    android_install_url: str = field(repr=False)

    @property
    def profile(self) -> ProfileStatus:
        return ProfileStatus.read(self.profile_status)

    @property
    def esim_state(self) -> EsimState:
        return EsimState.read(self.state)

    @property
    def first_installed_at(self) -> datetime | None:
        """None before the first install."""
        return instant(self.first_installed)

    @classmethod
    def parse(cls, fields: Fields) -> Esim:
        return cls(
            iccid=fields.required("iccid"),
            customer_ref=fields.text("customerRef"),
            profile_status=fields.text("profileStatus"),
            first_installed=fields.text("firstInstalledDateTime"),
            smdp_address=fields.text("smdpAddress", "rspUrl"),
            state=fields.text("state"),
            msisdn=fields.text("msisdn"),
            branding_id=fields.text("brandingId"),
            profile_name=fields.text("profileName"),
            matching_id=fields.text("matchingId"),
            pin=fields.text("pin"),
            puk=fields.text("puk"),
            apple_install_url=fields.text("appleInstallUrl"),
            android_install_url=fields.text("androidInstallUrl"),
        )


@dataclass(frozen=True)
class HistoryEvent:
    """One line of an eSIM's history; names in [D24] §4.5 (mind To/to). `date` as sent, with nanoseconds."""

    name: str
    bundle: str
    date: str
    alert_type: str
    bundle_state: str

    @property
    def at(self) -> datetime | None:
        return instant(self.date)

    @classmethod
    def parse(cls, fields: Fields) -> HistoryEvent:
        return cls(
            name=fields.text("name"),
            bundle=fields.text("bundleName", "bundle"),
            date=fields.text("date"),
            alert_type=fields.text("alertType"),
            bundle_state=fields.text("bundleState"),
        )


@dataclass(frozen=True)
class Location:
    """Where an eSIM last registered; all "" before its first attachment."""

    country: str
    network_name: str
    network_brand_name: str
    mobile_network_code: str
    last_seen: str

    @property
    def last_seen_at(self) -> datetime | None:
        return instant(self.last_seen)

    @classmethod
    def parse(cls, fields: Fields) -> Location:
        return cls(
            country=fields.text("country"),
            network_name=fields.text("networkName"),
            network_brand_name=fields.text("networkBrandName"),
            mobile_network_code=fields.text("mobileNetworkCode"),
            last_seen=fields.text("lastSeen"),
        )
