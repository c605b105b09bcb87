"""The page a person sees at `/`: balance, catalogue, orders and eSIMs as they stand. Plain HTML, nothing to click.

Invariant: activation codes and the key are not on it.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable

from fastapi import APIRouter, Request, Response

from airflow_provider_esimgo.sandbox.clock import rfc3339
from airflow_provider_esimgo.sandbox.exchange import sandbox_of
from airflow_provider_esimgo.sandbox.identifiers import ORGANISATION
from airflow_provider_esimgo.sandbox.records import Esim, Order
from airflow_provider_esimgo.sandbox.sandbox import Sandbox

router = APIRouter()

SHOWN = 100
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884; vertical-align: top; }
td { font-variant-numeric: tabular-nums; } .number { text-align: right; }
.balance { font-size: 2rem; margin: .5rem 0; }
"""


def _table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = "".join(f"<th>{html.escape(one)}</th>" for one in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _order_row(order: Order, now: int) -> list[object]:
    what = ", ".join(f"{line.quantity} x {line.item or line.type}" for line in order.lines[:4])
    status = order.status if order.visible_at <= now else f"{order.status} (not yet visible)"
    return [rfc3339(order.created, 0), order.reference, what, f"{order.total:.2f}", status, order.by]


def _esim_row(esim: Esim, now: int) -> list[object]:
    held = ", ".join(f"{one.bundle}: {one.state_at(now)}" for one in esim.bundles) or "no bundle"
    return [esim.iccid, esim.customer_ref, esim.profile_status, esim.state, held]


def render(sandbox: Sandbox) -> str:
    store, now = sandbox.store, sandbox.store.clock.now()
    orders, esims = list(store.orders.values()), list(store.esims.values())
    states = Counter(held.state_at(now) for esim in esims for held in esim.bundles)
    bundles = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none yet"
    return "".join(
        [
            f"<!doctype html><html lang=en-GB><meta charset=utf-8><title>{ORGANISATION}</title>",
            f"<style>{_STYLE}</style><body><h1>{ORGANISATION}</h1>",
            f"<p>A local eSIM Go. Its clock says {rfc3339(now, 0)}.</p>",
            f"<p class=balance>{store.balance:.2f} USD</p>",
            f"<p>{len(orders)} orders, {len(esims)} eSIMs. Bundles: {html.escape(bundles)}.</p>",
            "<h2>Orders</h2>",
            _table(
                ("created", "reference", "what", "USD", "status", "by"),
                (_order_row(order, now) for order in orders[: -SHOWN - 1 : -1]),
            ),
            "<h2>eSIMs</h2>",
            _table(
                ("ICCID", "customer ref", "profile", "state", "bundles"),
                (_esim_row(esim, now) for esim in esims[: -SHOWN - 1 : -1]),
            ),
            "<h2>Catalogue</h2>",
            _table(
                ("bundle", "USD", "area", "profile"),
                (
                    (one.name, f"{one.price:.2f}", one.countries[0].name, one.profile_name)
                    for one in store.catalogue.values()
                ),
            ),
            "</body></html>",
        ]
    )


@router.get("/")
async def get_page(request: Request) -> Response:
    sandbox = sandbox_of(request)
    with sandbox.store.lock:
        sandbox.catch_up()
        return Response(render(sandbox), media_type="text/html; charset=utf-8")
