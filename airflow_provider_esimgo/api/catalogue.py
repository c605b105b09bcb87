"""What can be bought, where it works, and what lies in inventory.

Must stay true: the catalogue is thousands of rows and the vendor forbids polling it; callers keep what they
read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airflow_provider_esimgo.api.errors import Effect
from airflow_provider_esimgo.api.models.account import CountryNetworks, Group, PriceList
from airflow_provider_esimgo.api.models.bundles import CatalogueBundle, InventoryBundle
from airflow_provider_esimgo.api.operations import Operations, flag, given
from airflow_provider_esimgo.api.wire import Call


class CatalogueOperations(Operations):
    def list_catalogue(
        self,
        *,
        per_page: int = 100,
        description: str | None = None,
        group: str | None = None,
        countries: Sequence[str] = (),
        region: str | None = None,
        order_by: str | None = None,
        direction: str | None = None,
    ) -> Iterator[CatalogueBundle]:
        """GET /catalogue, all pages [D24][D25][D23].

        `description` is a wildcard, `group` an exact name, `countries` ISO codes of the base country,
        `order_by` bundleName, dataAmount, duration, autostart or roamingEnabled. One client had trouble
        above 50 a page [3P].
        """
        query = given(
            perPage=per_page,
            description=description,
            group=group,
            countries=_comma(countries),
            region=region,
            orderBy=order_by,
            direction=direction,
        )
        return self._get_pages(
            "/catalogue", query=query, parse=CatalogueBundle.parse, wrapper="bundles", identity="name"
        )

    def get_catalogue_bundle(self, name: str) -> CatalogueBundle:
        """GET /catalogue/bundle/{name}; case-sensitive; an unknown name's status is not documented [D24]."""
        return self._get("/catalogue/bundle/{name}", name, parse=CatalogueBundle.parse)

    def get_prices(self) -> PriceList:
        """GET /catalogue/prices (2.5): Consumption partners' prices; others get AuthenticationError [D25]."""
        return self._get("/catalogue/prices", parse=PriceList.parse)

    def list_groups(self) -> list[Group]:
        """GET /organisation/groups: the product groups open to this organisation [D24][D25]."""
        return self._get_list("/organisation/groups", parse=Group.parse, wrapper="groups", identity="name")

    def list_networks(
        self, *, countries: Sequence[str] = (), isos: Sequence[str] = (), return_all: bool = False
    ) -> list[CountryNetworks]:
        """GET /networks, by country names or ISO codes [D24][D25]."""
        query = given(
            countries=_comma(countries), isos=_comma(isos), returnAll=flag(True) if return_all else None
        )
        return self._get_list(
            "/networks", query=query, parse=CountryNetworks.parse, wrapper="countryNetworks", identity="name"
        )

    def list_inventory(self) -> list[InventoryBundle]:
        """GET /inventory: bundles bought and not yet assigned; not paged [D24][D25]."""
        return self._get_list("/inventory", parse=InventoryBundle.parse, wrapper="bundles", identity="name")

    def refund_inventory(self, usage_id: int, quantity: int) -> str:
        """POST /inventory/refund: stock back into balance, typically within 60 days; off by default [D24].

        `usage_id` is an InventoryBatch's. Not idempotent. Returns free text.
        """
        if quantity < 1:
            raise ValueError(f"quantity must be from 1 on, not {quantity}")
        body = {"usageId": usage_id, "quantity": quantity}
        return self._send_for_status(Call("POST", "/inventory/refund", Effect.CHANGES, body=body))


def _comma(values: Sequence[str]) -> str:
    return values if isinstance(values, str) else ",".join(values)
