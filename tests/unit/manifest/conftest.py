from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from airflow_provider_esimgo.manifest import Fault, Manifest, ManifestError, read_manifest

CATALOGUE = ("esim_1GB_7D_DE_V2", "esim_1GB_7D_NA_V2", "esim_5GB_30D_REUP_V2", "esim_UL_1D_TR_V2")

Reader = Callable[..., Manifest]
Finder = Callable[..., Sequence[Fault]]


@pytest.fixture
def read() -> Reader:
    """Read a manifest from text or bytes."""

    def read_it(content: str | bytes, **options: object) -> Manifest:
        data = content.encode() if isinstance(content, str) else content
        return read_manifest(io.BytesIO(data), **options)  # type: ignore[arg-type]

    return read_it


@pytest.fixture
def faults(read: Reader) -> Finder:
    """Every fault of a manifest that must be refused."""

    def faults_of(content: str | bytes, **options: object) -> Sequence[Fault]:
        with pytest.raises(ManifestError) as refused:
            read(content, **options)
        return refused.value.faults

    return faults_of


@pytest.fixture
def data() -> Path:
    return Path(__file__).parent / "data"


@pytest.fixture
def catalogue() -> tuple[str, ...]:
    return CATALOGUE
