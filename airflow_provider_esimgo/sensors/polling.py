"""What the package's sensors share: look once in the worker, then go on in the triggerer if that is wanted."""

from __future__ import annotations

from abc import abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from airflow.sdk import BaseSensorOperator

from airflow_provider_esimgo.hooks.compat import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from airflow_provider_esimgo.hooks.esimgo import EsimGoHook
from airflow_provider_esimgo.triggers.poll import ERROR, FINAL_ERROR, PollingTrigger
from airflow_provider_esimgo.triggers.polling import Finding, Judgement

if TYPE_CHECKING:
    from airflow.sdk import Context


class PollingSensor(BaseSensorOperator):
    """A sensor whose looks and triggers say `Judgement`s.

    Args:
        deferrable: wait in the triggerer; None follows `[operators] default_deferrable`.
        esimgo_conn_id: the eSIM Go connection (templated).
    """

    ui_color = "#efe3f5"

    def __init__(
        self,
        *,
        esimgo_conn_id: str = EsimGoHook.default_conn_name,
        deferrable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.esimgo_conn_id = esimgo_conn_id
        if deferrable is None:
            deferrable = conf.getboolean("operators", "default_deferrable", fallback=False)
        self.deferrable = deferrable

    @abstractmethod
    def look(self, context: Context) -> Judgement:
        """Ask the vendor once."""

    @abstractmethod
    def trigger(self) -> PollingTrigger:
        """The trigger that goes on looking."""

    def poke(self, context: Context) -> bool:
        """One look; what can never be reached raises."""
        judgement = self.look(context)
        self.log.info("%s", judgement.message)
        return self._is_reached(judgement.finding, judgement.message)

    def execute(self, context: Context) -> Any:
        """Look at once; if that is not enough, wait here or in the triggerer."""
        if not self.deferrable or not context:
            return super().execute(context)
        if not self.poke(context):
            self.defer(
                trigger=self.trigger(),
                method_name="execute_complete",
                timeout=timedelta(seconds=self.timeout),
            )
        return None

    def execute_complete(self, context: Context, event: dict[str, Any]) -> None:
        """The trigger has something to tell."""
        self.log.info("%s", event["message"])
        if event["finding"] == ERROR:
            raise AirflowException(event["message"])
        if event["finding"] == FINAL_ERROR:
            raise AirflowFailException(event["message"])
        self._is_reached(Finding(event["finding"]), event["message"])

    def _is_reached(self, finding: Finding, message: str) -> bool:
        if finding is Finding.UNREACHABLE:
            raise AirflowSkipException(message) if self.soft_fail else AirflowFailException(message)
        if finding is Finding.OVERDUE:
            raise AirflowSkipException(message) if self.soft_fail else AirflowSensorTimeout(message)
        return finding is Finding.REACHED
