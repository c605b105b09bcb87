"""The kit's `index.html`: a contact sheet that shows, finds, copies and prints the eSIMs of a batch.

One file that asks no network for anything: its policy lets nothing in but pictures within it, and no script but
its own. The client's text is escaped and isolated in it. It holds activation codes: it belongs in the kit alone.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html import escape
from importlib.resources import files

from airflow_provider_esimgo.kit.entries import KitEntry
from airflow_provider_esimgo.kit.qr import Drawing

_TILE = 188  # CSS pixels: what page.css leaves for the code


class ContactSheet:
    """Collects cards; `finish` gives the page."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._cards: list[bytes] = []
        self._recipients: set[str] = set()
        self._withheld = 0

    def add(self, entry: KitEntry, drawing: Drawing) -> None:
        """Add an entry with its code."""
        self._collect(entry, (*_picture(entry, drawing), *_about(entry), *_code(entry)))

    def add_withheld(self, entry: KitEntry) -> None:
        """Add an entry that has no code, with the reason."""
        self._withheld += 1
        reason = f"<p class=why><b>No code:</b> <bdi>{escape(entry.withheld)}</bdi>"
        self._collect(entry, ("<div class=none aria-hidden=true>No code</div>", *_about(entry), reason))

    def finish(self) -> bytes:
        """The page, in UTF-8; the same cards give the same bytes."""
        return b"".join((_encoded("".join(self._head())), *self._cards, _encoded("".join(self._end()))))

    def _collect(self, entry: KitEntry, parts: tuple[str, ...]) -> None:
        if entry.recipient_ref:
            self._recipients.add(entry.recipient_ref)
        self._cards.append(_encoded(f"<li>{''.join(parts)}\n"))

    def _head(self) -> Iterator[str]:
        title = escape(self._title)
        yield _HEAD.format(title=title, digest=_digest(_SCRIPT), style=_STYLE)
        yield f"<header><div class=top><h1 dir=auto>{title}</h1><p class=counts>"
        yield f"<span>{_counted(len(self._cards), 'eSIM')}</span> "
        yield f"<span>{_counted(len(self._recipients), 'recipient')}</span>"
        yield f" <span class=warn>{self._withheld:,} without a code</span>" if self._withheld else ""
        yield "</p></div>"
        if self._cards:
            yield _SEARCH
            yield _ONLY_WITHHELD if self._withheld else ""
            yield "</div>"
        yield "</header><main><p class=careful>Whoever scans a code has the eSIM: "
        yield "keep this page as you keep a password."
        yield "" if self._cards else "<p class=nothing>This batch has no eSIMs."
        yield "<p class=nothing id=nothing hidden></p><ul id=cards role=list>\n"

    def _end(self) -> Iterator[str]:
        yield "</ul></main><p class=unseen id=said role=status></p>"
        yield f"<script>{_SCRIPT}</script></body></html>\n"


def _picture(entry: KitEntry, drawing: Drawing) -> Iterator[str]:
    side = int.from_bytes(drawing.small_png[16:20])  # where a PNG tells its width
    pixels = side * max(2, _TILE // side)  # whole pixels a module, or scaling blurs some
    picture = b64encode(drawing.small_png).decode()
    yield f'<div class=qr><img width={pixels} height={pixels} alt="QR code for {_quoted(_called(entry))}" '
    yield f'src="data:image/png;base64,{picture}"></div>'


def _about(entry: KitEntry) -> Iterator[str]:
    yield f"<div class=about><h2 dir=auto>{escape(_called(entry))}</h2>"
    yield f"<p class=id dir=auto>{escape(entry.recipient_ref)}" if entry.name and entry.recipient_ref else ""
    yield f"<p class=id dir=auto>{escape(entry.email).replace('@', '<wbr>@')}" if entry.email else ""
    yield f"<p class=plan dir=auto>{escape(entry.plan)}" if entry.plan else ""
    yield "<p class=notes>" if entry.profile_status or entry.topped_up else ""
    yield f"<span>Profile: {escape(entry.profile_status)}</span> " if entry.profile_status else ""
    yield "<span>Top-up of an existing eSIM</span>" if entry.topped_up else ""
    yield f"</div><dl><div><dt>ICCID<dd>{escape(entry.iccid)}</div>"
    yield f"<div><dt>Bundle<dd>{escape(entry.bundle)}</div>"
    yield f"<div><dt>Cost centre<dd dir=auto>{escape(entry.cost_centre)}</div>" if entry.cost_centre else ""
    yield "</dl>"


def _code(entry: KitEntry) -> Iterator[str]:
    yield f"<div class=code><code>{escape(entry.activation_code)}</code>"
    yield f'<button aria-label="Copy the code of {_quoted(_called(entry))}">Copy</button></div>'
    links = [("iPhone", entry.apple_link), ("Android", entry.android_link)]
    safe = [(phone, link) for phone, link in links if link.startswith("https://")]  # the vendor may send any
    yield "<p class=links>" if safe else ""
    for phone, link in safe:
        yield f'<a rel="noreferrer noopener" href="{_quoted(link)}">Install on {phone}</a> '


def _called(entry: KitEntry) -> str:
    return entry.name or entry.recipient_ref or entry.iccid


def _quoted(text: str) -> str:
    return escape(text, quote=True)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _encoded(text: str) -> bytes:
    return text.encode(errors="replace")  # half a character, from a damaged file, costs nobody the page


def _digest(script: str) -> str:
    return b64encode(sha256(script.encode()).digest()).decode()


def _resource(name: str) -> str:
    return (files("airflow_provider_esimgo.kit") / name).read_text(encoding="utf-8")


_STYLE = _resource("page.css")
_SCRIPT = _resource("page.js")

_HEAD = """<!doctype html>
<html lang=en><head><meta charset=utf-8><title>{title}</title>
<meta http-equiv=Content-Security-Policy content="default-src 'none'; img-src data:; \
style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'">
<meta name=viewport content="width=device-width,initial-scale=1"><meta name=robots content=noindex>
<meta name=referrer content=no-referrer><link rel=icon href="data:,">
<style>
{style}</style><noscript><style>.tools,button{{display:none!important}}</style></noscript></head><body>
"""

_SEARCH = """<div class=tools role=search><div class=search>
<label class=unseen for=search>Search the eSIMs</label>
<input id=search type=search placeholder="Name, reference, e-mail, ICCID, plan…" aria-keyshortcuts="/" \
autocomplete=off autocapitalize=off spellcheck=false><kbd aria-hidden=true>/</kbd>
<output id=found for=search></output></div>
"""

_ONLY_WITHHELD = (
    "<label class=only><input id=only type=checkbox autocomplete=off> Only without a code</label>"
)
