"""The eSIM Go wire: one typed client for every operation, honest errors, and nothing that repeats a purchase.

Must stay true: knows HTTP; knows no Airflow, no SQL, no pandas. Outcomes are classified in errors.py, sent by
transport.py, and read by models/.
"""

from airflow_provider_esimgo.api.callbacks import Callback, parse_callback, verify_signature
from airflow_provider_esimgo.api.client import EsimGoClient
from airflow_provider_esimgo.api.errors import (
    ApiError,
    AuthenticationError,
    EsimGoError,
    GoneError,
    NotFoundError,
    NotSentError,
    Outcome,
    RateLimitedError,
    RefusedError,
    UnknownOutcomeError,
)
from airflow_provider_esimgo.api.limiter import RateLimit
from airflow_provider_esimgo.api.models.account import (
    CountryNetworks,
    Group,
    Network,
    Organisation,
    PriceList,
    TopUp,
)
from airflow_provider_esimgo.api.models.bundles import (
    Allowance,
    Applied,
    AppliedEsim,
    ApplyLine,
    Assignment,
    CatalogueBundle,
    Country,
    EsimBundle,
    InventoryBatch,
    InventoryBundle,
)
from airflow_provider_esimgo.api.models.esims import Esim, EsimSummary, HistoryEvent, Location
from airflow_provider_esimgo.api.models.install import InstallDetails
from airflow_provider_esimgo.api.models.orders import Order, OrderLine, OrderQuote, OrderRequest, PlacedLine
from airflow_provider_esimgo.api.models.states import BundleState, EsimState, OrderStatus, ProfileStatus
from airflow_provider_esimgo.api.transport import Exchange, Timeout

__all__ = [
    "Allowance", "ApiError", "Applied", "AppliedEsim", "ApplyLine", "Assignment", "AuthenticationError",
    "BundleState", "Callback", "CatalogueBundle", "Country", "CountryNetworks", "Esim", "EsimBundle",
    "EsimGoClient", "EsimGoError", "EsimState", "EsimSummary", "Exchange", "GoneError", "Group",
    "HistoryEvent", "InstallDetails", "InventoryBatch", "InventoryBundle", "Location", "Network",
    "NotFoundError", "NotSentError", "Order", "OrderLine", "OrderQuote", "OrderRequest", "OrderStatus",
    "Organisation", "Outcome", "PlacedLine", "PriceList", "ProfileStatus", "RateLimit",
    "RateLimitedError", "RefusedError", "Timeout", "TopUp", "UnknownOutcomeError", "parse_callback",
    "verify_signature",
]  # fmt: skip
