"""What Airflow learns of this package. Imports nothing: every Airflow process loads it.

Airflow ignores keys it does not know, so a test holds this against Airflow's own schemas.
"""

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """The provider's metadata."""
    name = "eSIM Go"
    package = "airflow_provider_esimgo"
    return {
        "package-name": "airflow-provider-esimgo",  # the distribution's name, with dashes: Airflow compares it
        "name": name,
        "description": "Provision eSIMs in bulk through the eSIM Go API, each bought exactly once.",
        "integrations": [
            {
                "integration-name": name,
                "external-doc-url": "https://docs.esim-go.com/",
                "tags": ["service"],
            }
        ],
        "operators": [
            {
                "integration-name": name,
                "python-modules": [
                    f"{package}.operators.approval",
                    f"{package}.operators.batch",
                    f"{package}.operators.delivery",
                    f"{package}.operators.lifecycle",
                    f"{package}.operators.reconcile",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": name,
                "python-modules": [f"{package}.sensors.batch", f"{package}.sensors.bundle"],
            }
        ],
        "hooks": [{"integration-name": name, "python-modules": [f"{package}.hooks.esimgo"]}],
        "triggers": [
            {
                "integration-name": name,
                "python-modules": [
                    f"{package}.triggers.batch",
                    f"{package}.triggers.bundle",
                    f"{package}.triggers.settle",
                ],
            }
        ],
        "connection-types": [
            {
                "connection-type": "esimgo",
                "hook-class-name": f"{package}.hooks.esimgo.EsimGoHook",
                "hook-name": name,
                "ui-field-behaviour": standard_fields(),
                "conn-fields": connection_fields(),
            }
        ],
        "cli": [f"{package}.cli.commands.get_esimgo_commands"],  # read from Airflow 3.2 on
        "config": {
            "esimgo": {
                "description": "The eSIM Go provider.",
                "options": {
                    "ledger_url": {
                        "description": (
                            "SQLAlchemy URL of the ledger. The connection esimgo_ledger goes before it; without "
                            "either the ledger is a SQLite file in AIRFLOW_HOME, which only executors on one "
                            "machine may use."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "sensitive": True,
                        "example": "postgresql://esimgo:secret@db.example.com/esimgo",
                        "default": None,
                    }
                },
            }
        },
    }


def standard_fields() -> dict[str, Any]:
    """What the connection form makes of the fields that every connection has."""
    return {
        "hidden-fields": ["login", "port", "schema"],
        "relabeling": {"password": "API key", "host": "API address"},
        "placeholders": {"host": "https://api.esim-go.com/v2.5"},
    }


def connection_fields() -> dict[str, Any]:
    """The fields that an `esimgo` connection keeps in its extra, as the connection form shows them."""

    def field(label: str, description: str, kind: str, **schema: Any) -> dict[str, Any]:
        return {"label": label, "description": description, "schema": {"type": [kind, "null"], **schema}}

    return {
        "mode": field(
            "Mode",
            "read: look only. validate: price orders, buy nothing. transact: buy.",
            "string",
            enum=["read", "validate", "transact"],
            default="validate",
        ),
        "max_order_total": field("Cap per order", "In the account's currency; empty is no cap.", "string"),
        "max_daily_total": field("Cap per day", "Over all DAGs, days are UTC; empty is no cap.", "string"),
        "currency": field("Currency", "Refuse to buy in any other, for example USD.", "string"),
        "profile_id": field("Branding profile", "UUID of the branding profile for new eSIMs.", "string"),
        "timeout": field("Read timeout", "Seconds to wait for an answer; 60 by default.", "number"),
        "requests_per_second": field(
            "Requests per second", "The vendor allows 10, which is the default.", "number"
        ),
        "max_units_per_order": field(
            "Units per order", "The vendor advises 10, which is the default.", "integer"
        ),
        "seconds_between_orders": field(
            "Seconds between orders", "The vendor advises 3, which is the default.", "number"
        ),
        "settle_seconds": field(
            "Settle time",
            "Seconds before an order that cannot be found counts as never placed; 600 by default.",
            "number",
        ),
        "callback_secret": field(
            "Callback secret",
            "Secret of signed callbacks; the API key by default.",
            "string",
            format="password",
        ),
    }
