"""The kit: the files that get eSIMs installed, and the only place where activation codes are written."""

from airflow_provider_esimgo.kit.entries import KitEntry, safe_name
from airflow_provider_esimgo.kit.write import KitFiles, write_kit

__all__ = ["KitEntry", "KitFiles", "safe_name", "write_kit"]
