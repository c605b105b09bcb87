"""The operators that take a batch from a CSV to installed eSIMs.

They are thin: context in, a small JSON manifest out (ids, counts, totals as text, paths), each field also under
its own XCom key, so that `task.output["batch_id"]` works. No row, recipient or code ever goes into XCom.
Only `EsimGoPlaceOrdersOperator` spends, and only in `execute()`.
"""

from airflow_provider_esimgo.operators.batch.export import EsimGoExportQrOperator
from airflow_provider_esimgo.operators.batch.place import EsimGoPlaceOrdersOperator
from airflow_provider_esimgo.operators.batch.tag import EsimGoTagEsimsOperator
from airflow_provider_esimgo.operators.batch.validate import EsimGoValidateBatchOperator

__all__ = [
    "EsimGoExportQrOperator",
    "EsimGoPlaceOrdersOperator",
    "EsimGoTagEsimsOperator",
    "EsimGoValidateBatchOperator",
]
