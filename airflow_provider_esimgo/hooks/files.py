"""Opens what a DAG names: a local path, or an object in a store that Airflow knows (s3://, gs://, …)."""

from pathlib import Path
from typing import Any

from airflow.sdk import ObjectStoragePath

from airflow_provider_esimgo.hooks.settings import SettingsError
from airflow_provider_esimgo.manifest import Manifest, read_manifest


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


def read_manifest_at(
    location: str, *, bundles: frozenset[str] | None = None, conn_id: str | None = None
) -> Manifest:
    """Read and check the manifest at a path or URL.

    Raises:
        ManifestError: it has faults; all of them at once.
        SettingsError: there is no such file, or it cannot be opened.
    """
    path = object_path(location, conn_id=conn_id)
    try:
        with path.open("rb") as file:
            return read_manifest(file, name=path.name, bundles=bundles)
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
