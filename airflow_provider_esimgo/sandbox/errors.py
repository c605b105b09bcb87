"""The one error the sandbox's operations raise: a status and the vendor's `message`.

Invariant: whoever raises it has changed nothing in the store.
"""

from __future__ import annotations


class ApiError(Exception):
    def __init__(self, status: int, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message
        self.retry_after = retry_after


def unreadable() -> ApiError:
    return ApiError(400, "failed to parse request body")
