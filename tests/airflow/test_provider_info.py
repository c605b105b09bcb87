"""What Airflow is told of the package: a key it does not know it ignores in silence, so it is checked here."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from importlib.metadata import distribution, entry_points
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
from airflow.providers_manager import ProvidersManager
from airflow_lab.home import airflow as run_airflow

from airflow_provider_esimgo import hooks, operators, sensors, triggers
from airflow_provider_esimgo.get_provider_info import connection_fields, get_provider_info
from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.hooks.settings import _EXTRAS
from airflow_provider_esimgo.ledger.policy import Mode

PACKAGE = "airflow_provider_esimgo"
INFO = get_provider_info()
#: What only a release of Airflow's own providers has.
RELEASE = {"state": "ready", "source-date-epoch": 0, "versions": ["0.1.0"]}
#: Keys that Airflow 3.1 does not know, and passes over.
NEWER_THAN_3_1 = ("cli",)


def schema(name: str) -> dict[str, Any]:
    return json.loads((Path(airflow.__file__).parent / name).read_text())


def texts(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for value in part.values():
            yield from texts(value)
    elif isinstance(part, list):
        for value in part:
            yield from texts(value)
    elif isinstance(part, str):
        yield part


def test_it_fits_the_schema_that_airflow_checks_when_it_starts():
    jsonschema.validate(INFO, schema("provider_info.schema.json"))


def test_it_fits_the_schema_of_airflows_own_providers_which_forbids_unknown_keys():
    strict = schema("provider.yaml.schema.json")
    for name in NEWER_THAN_3_1:
        strict["properties"].setdefault(name, {})
    jsonschema.validate(INFO | RELEASE, strict)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("operatorz", []),
        ("sensors", [{"integration-name": "eSIM Go"}]),
        ("config", {"esimgo": {"description": None}}),
    ],
)
def test_the_schema_would_notice_a_slip(key: str, value: Any):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(INFO | RELEASE | {key: value}, schema("provider.yaml.schema.json"))


@pytest.mark.parametrize("path", sorted({text for text in texts(INFO) if text.startswith(f"{PACKAGE}.")}))
def test_every_path_it_names_exists(path: str):
    try:
        importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize(
    ("key", "package"),
    [("operators", operators), ("sensors", sensors), ("hooks", hooks), ("triggers", triggers)],
)
def test_every_class_for_dags_is_in_a_module_it_lists(key: str, package: ModuleType):
    listed = {module for part in INFO[key] for module in part["python-modules"]}
    public = set()
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(found.name)
        public |= {
            found.name
            for name, thing in inspect.getmembers(module, inspect.isclass)
            if name.startswith("EsimGo") and f"{thing.__module__}.".startswith(f"{found.name}.")
        }
    assert listed == public


def test_every_integration_it_names_is_declared():
    declared = {integration["integration-name"] for integration in INFO["integrations"]}
    used = {
        part["integration-name"]
        for key in ("operators", "sensors", "hooks", "triggers")
        for part in INFO[key]
    }
    assert used == declared


def test_the_package_name_is_the_distributions():
    assert INFO["package-name"] == distribution("airflow-provider-esimgo").name


@pytest.mark.parametrize(
    ("group", "value"),
    [
        ("apache_airflow_provider", f"{PACKAGE}.get_provider_info:get_provider_info"),
        ("airflow.plugins", f"{PACKAGE}.plugin:EsimGoPlugin"),
    ],
)
def test_airflow_finds_it_by_an_entry_point(group: str, value: str):
    ours = [one for one in entry_points(group=group) if one.value.startswith(f"{PACKAGE}.")]
    assert [one.value for one in ours] == [value]
    assert ours[0].load()


def test_telling_it_imports_nothing():
    script = (
        "import sys; from airflow_provider_esimgo.get_provider_info import get_provider_info as told; told();"
        "print([name for name in ('airflow', 'pandas', 'requests', 'sqlalchemy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# the connection form


@pytest.fixture(scope="module")
def form() -> Any:
    """The form as the API server hands it to the UI, and the warnings on the way."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        [ours] = [meta for meta in HookMetaService.hook_meta_data() if meta.connection_type == "esimgo"]
    return ours, [str(warning.message) for warning in warned if "esim" in str(warning.message).lower()]


def test_the_form_has_every_field_the_settings_know(form: Any):
    meta, _ = form
    assert meta.hook_name == "eSIM Go"
    assert set(meta.extra_fields) == set(_EXTRAS)


def test_the_form_offers_the_modes_and_the_one_that_cannot_spend_first(form: Any):
    meta, _ = form
    mode = meta.extra_fields["mode"]
    assert mode["schema"]["enum"] == [mode.value for mode in Mode]
    assert mode["value"] == "validate"


def test_the_form_hides_secrets_and_what_is_not_needed(form: Any):
    meta, _ = form
    assert meta.extra_fields["callback_secret"]["schema"]["format"] == "password"
    assert meta.standard_fields.password.title == "API key"
    assert meta.standard_fields.host.placeholder == "https://api.esim-go.com/v2.5"
    assert [meta.standard_fields.login.hidden, meta.standard_fields.port.hidden] == [True, True]


def test_the_form_explains_each_field(form: Any):
    meta, _ = form
    assert all(field["description"] and field["schema"]["title"] for field in meta.extra_fields.values())


def test_airflow_does_not_warn_of_the_form(form: Any):
    assert form[1] == []


def test_the_hook_can_be_tested_from_the_form():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 3.3 wants hooks asked for elsewhere, where 3.1 has none
        hook = ProvidersManager().hooks["esimgo"]
    assert hook is not None
    assert hook.connection_testable
    assert hook.connection_id_attribute_name == "esimgo_conn_id"


def test_the_hook_tells_the_same_form_to_an_airflow_that_asks_it(monkeypatch: pytest.MonkeyPatch):
    """Airflow 3.1 calls the hook, with wtforms or a stand-in for it."""

    def kind(name: str) -> Any:
        return lambda label, **fields: SimpleNamespace(kind=name, label=label, **fields)

    validators = SimpleNamespace(Optional=lambda: "optional", any_of=lambda values: ("any of", values))
    forms = SimpleNamespace(
        StringField=kind("text"), IntegerField=kind("integer"), PasswordField=kind("password")
    )
    monkeypatch.setitem(sys.modules, "wtforms", forms)
    monkeypatch.setitem(sys.modules, "wtforms.validators", validators)
    widgets = EsimGoHook.get_connection_form_widgets()
    assert {name: widget.label for name, widget in widgets.items()} == {
        name: field["label"] for name, field in connection_fields().items()
    }
    assert widgets["mode"].validators == ["optional", ("any of", ["read", "validate", "transact"])]
    assert widgets["mode"].default == "validate"
    assert widgets["max_units_per_order"].kind == "integer"
    assert widgets["callback_secret"].kind == "password"
    assert EsimGoHook.get_ui_field_behaviour() == {
        "hidden_fields": ["login", "port", "schema"],
        "relabeling": {"password": "API key", "host": "API address"},
        "placeholders": {"host": "https://api.esim-go.com/v2.5"},
    }


# the command line


def test_airflow_lists_the_provider(template: Path):
    told = run_airflow(template, "providers", "list", "--output", "json").stdout
    assert "airflow-provider-esimgo" in told
    assert "Traceback" not in told


def test_airflow_loads_the_plugin(template: Path):
    told = run_airflow(template, "plugins", "--output", "json").stdout
    assert f"{PACKAGE}.plugin:EsimGoPlugin" in told
    assert "Failed to import" not in told
