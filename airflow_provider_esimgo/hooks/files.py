"""Opens what a DAG names: a local path, or an object in a store that Airflow knows (s3://, gs://, …)."""

from codecs import BOM_UTF8
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from airflow.sdk import ObjectStoragePath

from airflow_provider_esimgo.hooks.settings import SettingsError
from airflow_provider_esimgo.kit.folder import private_folder, write_file
from airflow_provider_esimgo.manifest import Inspection, inspect_manifest
from airflow_provider_esimgo.manifest.read import Bundles
from airflow_provider_esimgo.manifest.report import faults_csv, report_html


def object_path(location: str, *, conn_id: str | None = None) -> Any:
    """A path object for a local path or a URL of an object store.

    Raises:
        SettingsError: Airflow knows no such store.
    """
    if "://" not in location:
        location = str(
            Path(location).expanduser().absolute()
        )  # Airflow 3.1 takes a relative path as one from /
    try:
        path = ObjectStoragePath(location, conn_id=conn_id) if conn_id else ObjectStoragePath(location)
        _ = path.fs  # found now, so that an unknown store is one line here
    except (ValueError, ImportError) as error:
        raise SettingsError(
            f"{location!r} cannot be opened: {error}. Nothing was sent. Install Airflow's provider of that store "
            "(for s3:// apache-airflow-providers-amazon), or give a local path."
        ) from None
    return path


def inspect_manifest_at(
    location: str,
    *,
    bundles: Bundles | None = None,
    default_bundle: str | None = None,
    conn_id: str | None = None,
) -> Inspection:
    """What is in the file at a path or URL, and what is wrong with it.

    Raises:
        SettingsError: there is no such file, or it cannot be opened.
    """
    path = object_path(location, conn_id=conn_id)
    try:
        with path.open("rb") as file:
            return inspect_manifest(file, name=path.name, bundles=bundles, default_bundle=default_bundle)
    except FileNotFoundError:
        raise SettingsError(
            f"There is no manifest at {location}. Nothing was sent. Check the path, and that this worker can see it."
        ) from None
    except IsADirectoryError:
        raise SettingsError(
            f"The manifest {location} is a folder. Nothing was sent. Name the CSV file inside it."
        ) from None
    except PermissionError:
        raise SettingsError(
            f"The manifest {location} may not be read by Airflow's user. Nothing was sent. Grant it the right."
        ) from None


@dataclass(frozen=True)
class ReportFiles:
    """Where an inspection was written to. `faults` is None where there is nothing to mend."""

    report: str
    faults: str | None


def write_report(folder: Any, inspection: Inspection, *, quarantined: bool = False) -> ReportFiles:
    """Write `report.html` and, if there are errors, `faults.csv` into a folder, readable by their owner only.

    Both hold names and addresses: the folder is the kit's. A second run replaces what the first one wrote.
    """
    private_folder(folder)
    page, table = folder / "report.html", folder / "faults.csv"
    if len(inspection.faults.errors):
        lines = (line.encode("utf-8", "backslashreplace") for line in faults_csv(inspection))
        write_file(table, chain((BOM_UTF8,), lines))  # without the mark Excel takes it for Windows-1252
    elif table.exists():
        table.unlink()
    write_file(page, report_html(inspection, quarantined=quarantined).encode("utf-8", "backslashreplace"))
    return ReportFiles(str(page), str(table) if len(inspection.faults.errors) else None)
