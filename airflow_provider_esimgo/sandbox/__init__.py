"""A local eSIM Go: what the provider is tested and demonstrated against. `python -m airflow_provider_esimgo.sandbox`.

It stands alone: it imports nothing of this package and no Airflow, so that it can contradict the client.
Start it from Python with `airflow_provider_esimgo.sandbox.server.SandboxServer`.
"""

from __future__ import annotations

from airflow_provider_esimgo.sandbox.identifiers import DEFAULT_KEY, ORGANISATION, PRESET_ICCIDS

__all__ = ["DEFAULT_KEY", "ORGANISATION", "PRESET_ICCIDS"]
