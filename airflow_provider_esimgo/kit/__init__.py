"""The kit: the files that get eSIMs installed, and the only place where activation codes are written."""

from airflow_provider_esimgo.kit.entries import KitEntry, KitError, KitNotReady, safe_name

__all__ = ["KitEntry", "KitError", "KitNotReady", "safe_name"]
