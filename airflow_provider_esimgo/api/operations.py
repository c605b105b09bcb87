"""What the groups of operations share: the transport, acknowledgements, and paging to the very end.

Must stay true: paging ends at an empty page, at the vendor's own count, or, without one, when two pages in
a row bring nothing new. A short page proves nothing (the vendor may cap), nor does one stale page (the list
may grow).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from itertools import count
from typing import TypeVar

from airflow_provider_esimgo.api.errors import Effect
from airflow_provider_esimgo.api.models.parse import Fields, MalformedError, rows
from airflow_provider_esimgo.api.transport import Transport
from airflow_provider_esimgo.api.wire import Call, Reply

T = TypeVar("T")
Query = tuple[tuple[str, str], ...]


class Operations:
    """Base of the operation groups."""

    _transport: Transport

    def _get(
        self,
        template: str,
        *args: str,
        query: Query = (),
        parse: Callable[[Fields], T],
        what: str = "the reply",
    ) -> T:
        """Read one object."""
        call = Call("GET", template, Effect.READS, args, query)
        return self._transport.read(call, lambda reply: parse(reply.fields(what)))

    def _get_list(
        self,
        template: str,
        *args: str,
        query: Query = (),
        parse: Callable[[Fields], T],
        wrapper: str,
        identity: str,
    ) -> list[T]:
        """Read a list that comes whole."""
        call = Call("GET", template, Effect.READS, args, query)
        return self._transport.read(
            call, lambda reply: [parse(one) for one in rows(reply.json(), wrapper, identity)]
        )

    def _get_pages(
        self,
        template: str,
        *,
        query: Query,
        parse: Callable[[Fields], T],
        wrapper: str,
        identity: str,
    ) -> Iterator[T]:
        """Read all pages. A row met again, because the list grew while it was read, is not yielded again."""

        def page(reply: Reply) -> tuple[list[tuple[Hashable, T]], int | None, int | None]:
            payload = reply.json()
            found: list[tuple[Hashable, T]] = []
            for one in rows(payload, wrapper, identity):
                thing = parse(one)
                found.append((one.text(identity) or thing, thing))
            counts = Fields(payload if isinstance(payload, Mapping) else {}, "the page")
            return found, counts.integer("pageCount"), counts.integer("rows")

        seen: set[Hashable] = set()
        stale = 0
        for number in count(1):
            call = Call("GET", template, Effect.READS, query=(*query, ("page", str(number))))
            found, pages, total = self._transport.read(call, page)
            known = len(seen)
            for key, thing in found:
                if key not in seen:
                    seen.add(key)
                    yield thing
            stale = 0 if len(seen) > known else stale + 1
            if not found or (pages is None and stale > 1):
                return
            if pages is not None and number >= pages and (stale or total is None or len(seen) >= total):
                return

    def _send(self, call: Call, parse: Callable[[Fields], T]) -> T:
        """Send once what answers an object."""
        return self._transport.send(call, lambda reply: parse(reply.fields()))

    def _send_for_status(self, call: Call) -> str:
        """Send once what answers `{"status": …}`; returns that free text, not to be decided by."""
        return self._transport.send(call, _status)


def flag(value: bool) -> str:
    return "true" if value else "false"


def given(**named: str | int | None) -> Query:
    """Query parameters that were given."""
    return tuple((name, str(value)) for name, value in named.items() if value not in (None, ""))


def _status(reply: Reply) -> str:
    if reply.content_type.startswith("text/plain") and reply.content.strip():
        return reply.text().strip()
    fields = reply.fields()
    if not (text := fields.text("status", "message")):
        raise MalformedError("the reply holds no status")
    return text
