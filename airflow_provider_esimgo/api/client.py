"""EsimGoClient: every operation of the eSIM Go API, versions 2.4 and 2.5, over one transport.

Must stay true: reads are retried, everything else is sent once; the key leaves in one header and nowhere
else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Self

import requests

from airflow_provider_esimgo.api.bundles import BundleOperations
from airflow_provider_esimgo.api.catalogue import CatalogueOperations
from airflow_provider_esimgo.api.esims import EsimOperations
from airflow_provider_esimgo.api.install_details import InstallDetailsOperations
from airflow_provider_esimgo.api.limiter import Limiter, RateLimit
from airflow_provider_esimgo.api.orders import OrderOperations
from airflow_provider_esimgo.api.organisation import OrganisationOperations
from airflow_provider_esimgo.api.transport import Exchange, Timeout, Transport


class EsimGoClient(
    OrderOperations,
    EsimOperations,
    BundleOperations,
    InstallDetailsOperations,
    CatalogueOperations,
    OrganisationOperations,
):
    """A client for one key.

    `base_url` ends in the version ("https://api.esim-go.com/v2.5"). `session` brings proxies, certificates
    and the like; it stays the caller's to close, and its plain adapters are replaced by watching ones.
    `read_attempts` bounds the tries of a read. `on_request` is told every HTTP attempt; what it raises is
    logged and ignored. All operations raise ApiError's children (see errors.py), and ValueError for
    arguments the API cannot take.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout: Timeout = Timeout(),  # noqa: B008  frozen
        requests_per_second: float = 10,
        session: requests.Session | None = None,
        read_attempts: int = 5,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        on_request: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._transport = Transport(
            base_url,
            api_key,
            timeout=timeout,
            limiter=Limiter(requests_per_second, clock=clock, sleep=sleep),
            session=session,
            read_attempts=read_attempts,
            clock=clock,
            sleep=sleep,
            on_request=on_request,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    @property
    def base_url(self) -> str:
        return self._transport.base_url

    @property
    def clock_skew(self) -> timedelta | None:
        """The vendor's clock minus ours, from the last reply's `Date` (whole seconds); None at first."""
        return self._transport.clock_skew

    @property
    def rate_limit(self) -> RateLimit | None:
        """The X-Ratelimit-* headers last seen."""
        return self._transport.rate_limit
