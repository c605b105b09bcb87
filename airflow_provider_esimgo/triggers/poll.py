"""The loop that the polling triggers share: look in a thread, wait, look again, until there is something to tell."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import Any, ClassVar

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_esimgo.hooks.compat import AirflowException, AirflowFailException
from airflow_provider_esimgo.triggers.polling import Finding, Judgement, next_interval

#: The events of a look that failed; the sensor raises their message, to be retried or not.
ERROR, FINAL_ERROR = "error", "final_error"


class PollingTrigger(BaseTrigger):
    """A trigger that looks until its goal is reached, out of reach or overdue.

    A subclass names its arguments in `arguments`, and looks in `look`.
    """

    arguments: ClassVar[tuple[str, ...]]
    poll_interval: float

    @abstractmethod
    def look(self) -> Judgement:
        """Ask the vendor once. Runs in a thread of its own, which also reads the connection."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How Airflow stores this trigger."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {name: getattr(self, name) for name in self.arguments}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, wait, look again."""
        looks = 0
        while True:
            started = time.monotonic()
            try:
                judgement = await asyncio.to_thread(self.look)
            except AirflowException as error:
                failed = FINAL_ERROR if isinstance(error, AirflowFailException) else ERROR
                yield TriggerEvent({"finding": failed, "message": str(error)})
                return
            self.log.info("%s", judgement.message)
            if judgement.finding is not Finding.WAITING:
                yield TriggerEvent({"finding": judgement.finding.value, "message": judgement.message})
                return
            await asyncio.sleep(next_interval(looks, self.poll_interval, time.monotonic() - started))
            looks += 1
