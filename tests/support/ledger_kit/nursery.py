"""A process that has imported everything and forks one worker per errand: hundreds can be killed in a minute.

It has no threads, so that a fork is a clean copy; it speaks one JSON line per command over its pipes.
Run as `python -m ledger_kit.nursery`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger_kit.errand import Ending, Errand, run

_TICK = 0.002


class StillRunning(AssertionError):
    """The worker did not end in time."""


@dataclass(frozen=True)
class Worker:
    """One process on its errand."""

    nursery: Nursery
    pid: int
    report: Path

    def wait(self, seconds: float = 60.0) -> Ending | None:
        """Its report when it has ended by itself; None when a signal ended it."""
        seen = self.nursery.wait(self.pid, seconds)
        if seen == "running":
            self.signal(signal.SIGKILL)
            self.nursery.wait(self.pid, 5)
            raise StillRunning(f"worker {self.pid} was still running after {seconds} s")
        if seen == "stopped":
            raise StillRunning(f"worker {self.pid} is stopped")
        return Ending(**json.loads(self.report.read_text())) if seen == "ended" else None

    def wait_until_stopped(self, seconds: float = 20.0) -> None:
        """Return when SIGSTOP has reached it."""
        seen = self.nursery.wait(self.pid, seconds)
        assert seen == "stopped", f"worker {self.pid} is {seen}, not stopped"

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def end(self) -> None:
        """Kill it if it is still there."""
        with suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)


class Nursery:
    """The test's end of the pipes."""

    def __init__(self) -> None:
        support = str(Path(__file__).parents[1])
        path = os.pathsep.join(filter(None, (support, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ledger_kit.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert self._ask({"do": "hello"}) == "ready"

    def start(self, errand: Errand) -> Worker:
        """Send a worker off."""
        pid = self._ask({"do": "start", "errand": errand.to_json()})
        return Worker(self, pid, Path(errand.report))

    def wait(self, pid: int, seconds: float) -> str:
        """`ended`, `killed`, `stopped`, or `running` when the time is up."""
        return str(self._ask({"do": "wait", "pid": pid, "seconds": seconds}))

    def close(self) -> None:
        """Every worker still there is killed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _ask(self, command: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def _start(errand: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        sys.stdin.close()
        os.dup2(2, 1)
        run(Errand.from_json(errand))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _wait(pid: int, seconds: float) -> str:
    until = time.monotonic() + seconds
    while True:
        seen, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
        if seen:
            if os.WIFSTOPPED(status):
                return "stopped"
            return "killed" if os.WIFSIGNALED(status) else "ended"
        if time.monotonic() > until:
            return "running"
        time.sleep(_TICK)


def main() -> None:
    children: set[int] = set()
    for line in sys.stdin:
        command = json.loads(line)
        answer: Any = "ready"
        if command["do"] == "start":
            answer = _start(command["errand"])
            children.add(answer)
        elif command["do"] == "wait":
            answer = _wait(command["pid"], command["seconds"])
            if answer in {"ended", "killed"}:
                children.discard(command["pid"])
        print(json.dumps(answer), flush=True)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
