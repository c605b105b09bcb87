"""How far many eSIMs are, with few calls: by the orders that bought them, and one by one only where it must be.

GET only. What comes back holds install details: secret, for the caller alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from airflow_provider_esimgo.api.client import EsimGoClient
from airflow_provider_esimgo.api.errors import GoneError
from airflow_provider_esimgo.api.install_details import REFERENCES_PER_REQUEST
from airflow_provider_esimgo.api.models.esims import Esim
from airflow_provider_esimgo.api.models.install import InstallDetails

Profile = InstallDetails | Esim
T = TypeVar("T")


def read_profiles(
    client: EsimGoClient, asked: Mapping[str, Sequence[str]], *, install_urls: bool = False
) -> dict[str, Profile]:
    """By ICCID, every eSIM that the vendor lists under the references of `asked` (reference: its ICCIDs).

    The eSIMs of an order with a deactivated one are read one by one: there the vendor still tells its state.
    """
    found: dict[str, Profile] = {}

    def ask(references: Sequence[str]) -> list[InstallDetails]:
        return client.get_install_details(references, install_urls=install_urls)

    for part, details in in_few_requests(ask, list(asked)):
        if details is not None:
            found.update((one.iccid, one) for one in details)
        else:
            found.update(
                (iccid, client.get_esim(iccid, install_urls=install_urls)) for iccid in asked[part[0]]
            )
    return found


def in_few_requests(
    ask: Callable[[Sequence[str]], T], references: Sequence[str]
) -> Iterator[tuple[Sequence[str], T | None]]:
    """Ask about the install details of many references; yields what was asked about and the answer.

    One deactivated eSIM makes the answer to a whole request 410 [D25]: then it is asked in smaller parts, until the
    order of that eSIM is alone, whose answer is None.
    """
    for chunk in chunks(references, REFERENCES_PER_REQUEST):
        yield from _in_parts(ask, chunk)


def _in_parts(
    ask: Callable[[Sequence[str]], T], references: Sequence[str]
) -> Iterator[tuple[Sequence[str], T | None]]:
    try:
        answer = ask(references)
    except GoneError:
        if len(references) == 1:
            yield references, None
            return
        half = len(references) // 2
        for part in (references[:half], references[half:]):
            yield from _in_parts(ask, part)
    else:
        yield references, answer


def chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Cut a list into pieces of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
