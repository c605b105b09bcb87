"""What happens by itself as the sandbox's clock goes on: jobs that fall due, and the automatic lifecycle.

Looked at before every request and every look into the books, each thing dated when it was due:
no timers, so that `advance` and real time give the same history.
"""

from __future__ import annotations

import base64

from airflow_provider_esimgo.sandbox.clock import SECOND
from airflow_provider_esimgo.sandbox.errors import ApiError
from airflow_provider_esimgo.sandbox.lifecycle import activate
from airflow_provider_esimgo.sandbox.order_request import read_order
from airflow_provider_esimgo.sandbox.ordering import fail_order, place
from airflow_provider_esimgo.sandbox.records import Job
from airflow_provider_esimgo.sandbox.settings import Settings
from airflow_provider_esimgo.sandbox.store import Store


def catch_up(store: Store, settings: Settings) -> None:
    with store.lock:
        if store.jobs:
            now = store.clock.now()
            due = sorted(
                (job for job in store.jobs.values() if job.due <= now), key=lambda job: (job.due, job.serial)
            )
            for job in due:
                with store.transaction():
                    store.drop(job)
                    _do(store, settings, job)
        if settings.auto_lifecycle is not None:
            _grow_older(store, round(settings.auto_lifecycle * SECOND))


def late_order(store: Store, body: bytes, source_ip: str, seconds: float) -> None:
    """The order of a connection that died takes effect this long after."""
    payload = f"{source_ip} {base64.b64encode(body).decode()}"
    with store.transaction():
        store.add_job(store.clock.now() + round(seconds * SECOND), "order", payload=payload)


def _do(store: Store, settings: Settings, job: Job) -> None:
    if job.kind == "fail":
        fail_order(store, store.orders[job.reference], job.payload, job.due)
        return
    source_ip, body = job.payload.split(" ")
    try:
        request = read_order(base64.b64decode(body))
        if request.type == "transaction":
            place(store, request, settings, source_ip=source_ip, by="late", at=job.due)
    except ApiError:
        return  # refused; there is nobody left to tell


def _grow_older(store: Store, after: int) -> None:
    now = store.clock.now()
    for esim in list(store.esims.values()):
        if esim.state != "active":
            continue
        for held in esim.bundles:
            if held.state == "queued" and held.at + after <= now:
                activate(store, [esim.iccid], bundle=held.bundle, at=held.at + after)
