"""The connection form for Airflow 3.1, which asks the hook for it; later ones read the provider's metadata.

One source: the table in `get_provider_info`. Airflow calls this with wtforms, or with its own stand-in for it.
"""

from importlib import import_module
from typing import Any

from airflow_provider_esimgo.get_provider_info import connection_fields, standard_fields


def form_widgets() -> dict[str, Any]:
    """The extra fields as wtforms fields. Airflow knows four kinds, so a number that is not whole is text."""
    forms = import_module("wtforms")  # optional in Airflow, which takes its ImportError for "no form wanted"
    validators = import_module("wtforms.validators")

    def widget(field: dict[str, Any]) -> Any:
        schema = field["schema"]
        kind = forms.IntegerField if "integer" in schema["type"] else forms.StringField
        if schema.get("format") == "password":
            kind = forms.PasswordField
        checks = [validators.Optional()]
        if choices := schema.get("enum"):
            checks.append(validators.any_of(choices))
        return kind(
            field["label"],
            validators=checks,
            description=field["description"],
            default=schema.get("default"),
        )

    return {name: widget(field) for name, field in connection_fields().items()}


def field_behaviour() -> dict[str, Any]:
    """The standard fields, under the names that hooks use."""
    return {key.replace("-", "_"): value for key, value in standard_fields().items()}
