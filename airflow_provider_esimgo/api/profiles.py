"""How far many eSIMs are, with few calls: by the orders that bought them, and one by one only where it must be.

GET only. What comes back holds install details: secret, for the caller alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from airflow_provider_esimgo.api.client import EsimGoClient
from airflow_provider_esimgo.api.errors import GoneError
from airflow_provider_esimgo.api.install_details import REFERENCES_PER_REQUEST
from airflow_provider_esimgo.api.models.esims import Esim
from airflow_provider_esimgo.api.models.install import InstallDetails

Profile = InstallDetails | Esim


def read_profiles(
    client: EsimGoClient, asked: Mapping[str, Sequence[str]], *, install_urls: bool = False
) -> dict[str, Profile]:
    """By ICCID, every eSIM that the vendor lists under the references of `asked` (reference: its ICCIDs).

    One deactivated eSIM makes the answer for all of a request 410 [D25]: then they are asked for in smaller
    parts, in the end one by one, where the vendor still tells a deactivated one's state.
    """
    found: dict[str, Profile] = {}
    for chunk in chunks(list(asked), REFERENCES_PER_REQUEST):
        try:
            found.update(
                (one.iccid, one) for one in client.get_install_details(chunk, install_urls=install_urls)
            )
        except GoneError:
            if len(chunk) > 1:
                half = len(chunk) // 2
                for part in (chunk[:half], chunk[half:]):
                    smaller = {reference: asked[reference] for reference in part}
                    found.update(read_profiles(client, smaller, install_urls=install_urls))
            else:
                found.update(
                    (iccid, client.get_esim(iccid, install_urls=install_urls)) for iccid in asked[chunk[0]]
                )
    return found


def chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Cut a list into pieces of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
