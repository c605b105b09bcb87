"""Manifests: a file to rows to units to orders to a priced plan, and the hashes that freeze it.

Pure functions: nothing here does I/O except reading the file object it is given. A manifest with an error
yields nothing but its faults, all of them at once, so that no part of a faulty file is ever bought.
"""

from airflow_provider_esimgo.manifest.faults import Fault, Faults, ManifestError, Severity
from airflow_provider_esimgo.manifest.hashing import content_hash, plan_hash
from airflow_provider_esimgo.manifest.inspection import Inspection, OnFaults
from airflow_provider_esimgo.manifest.model import Manifest, Row, Unit, expand_units
from airflow_provider_esimgo.manifest.pack import DraftLine, OrderDraft, Shape, pack_orders
from airflow_provider_esimgo.manifest.price import (
    Plan,
    PlanError,
    PricedLine,
    PricedOrder,
    Quote,
    price_plan,
)
from airflow_provider_esimgo.manifest.read import inspect_manifest, read_manifest
from airflow_provider_esimgo.manifest.sheet import BundleFacts

__all__ = [
    "BundleFacts",
    "DraftLine",
    "Fault",
    "Faults",
    "Inspection",
    "Manifest",
    "ManifestError",
    "OnFaults",
    "OrderDraft",
    "Plan",
    "PlanError",
    "PricedLine",
    "PricedOrder",
    "Quote",
    "Row",
    "Severity",
    "Shape",
    "Unit",
    "content_hash",
    "expand_units",
    "inspect_manifest",
    "pack_orders",
    "plan_hash",
    "price_plan",
    "read_manifest",
]
