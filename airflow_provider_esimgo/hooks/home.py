"""Where this Airflow keeps its files."""

import os
from pathlib import Path


def airflow_home() -> Path:
    """The folder `AIRFLOW_HOME`, as Airflow itself finds it."""
    return Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()
