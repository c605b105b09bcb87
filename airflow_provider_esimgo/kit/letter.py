"""Composes the e-mail that brings one person their eSIMs: in text and in HTML, with the QR codes inside.

Pure: the standard library's `email` writes it, somebody else sends it. RFC 2046 gives the shape (alternative of
text and related HTML), RFC 2392 the pictures by Content-ID, RFC 3834 `Auto-Submitted`, and Exchange's
`X-Auto-Response-Suppress` keeps out-of-office answers away.

Must stay true: a letter is for one recipient at one address; what a client's text says becomes neither header
nor markup; codes are in the two bodies and the pictures, in no header, and in no error.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address, AddressHeader
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP, SMTPUTF8

from airflow_provider_esimgo.kit.entries import KitEntry, KitError, fingerprint
from airflow_provider_esimgo.kit.letter_html import as_html
from airflow_provider_esimgo.kit.letter_text import Esim, Letter, as_text, on_one_line
from airflow_provider_esimgo.kit.qr import Drawing

DEFAULT_SUBJECT = "Your eSIM is ready"
_DEFAULT_SUBJECTS = "Your eSIMs are ready"  # where there are several
_PARTS = "quoted-printable"  # readable in a mail's source, and no line of it is too long for any server
_LONGEST_ADDRESS, _LONGEST_LOCAL_PART = 254, 64  # octets, RFC 5321
_LARGEST_PICTURE = 256  # CSS pixels: a phone that is 360 wide has no more beside the margins
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]")


def compose(
    entries: Sequence[KitEntry],
    drawings: Sequence[Drawing],
    *,
    sender: str,
    subject: str = DEFAULT_SUBJECT,
    note: str = "",
    reply_to: str | None = None,
    message_id: str,
) -> EmailMessage:
    """The letter with all eSIMs of one recipient; bundles on one eSIM are told together.

    Args:
        entries: all of one recipient and one address, each with its code.
        drawings: of each entry's code, in the same order.
        sender: one address; "eSIM desk <esim@acme.example>" is one as well.
        note: the client's own words to the recipient; its line breaks stay.
        message_id: with its angle brackets; the same letter, sent again, is to have the same one.

    Raises:
        KitError: it would be no letter, or one that tells a code to somebody else.
    """
    address = _address_of(entries)
    esims = _esims(entries, drawings, fingerprint(message_id))
    title = _subject(subject, [esim for esim, _ in esims])
    letter = Letter(
        heading=title,
        name=next((name for name in (on_one_line(entry.name or "") for entry in entries) if name), ""),
        note=note,
        esims=tuple(esim for esim, _ in esims),
    )
    # an address with é before the @ can only travel as UTF-8; all others can by any server
    message = EmailMessage(policy=SMTP if address.isascii() else SMTPUTF8)
    message["From"] = mailbox("sender", sender)
    message["To"] = address
    message["Subject"] = title
    message["Date"] = datetime.now(UTC)
    message["Message-ID"] = _checked_id(message_id)
    if reply_to:
        message["Reply-To"] = mailbox("reply_to", reply_to)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(as_text(letter), cte=_PARTS)
    message.add_alternative(as_html(letter), subtype="html", cte=_PARTS)
    html = message.get_payload(1)
    assert isinstance(html, MIMEPart)
    for esim, png in esims:
        html.add_related(
            png, "image", "png", cid=f"<{esim.picture}>", disposition="inline", filename=esim.picture_file
        )
    return message


def check_address(address: str | None) -> str | None:
    """The address as it may stand in To:, or None when there is none or mail cannot go to it.

    One bare address: no display name, no quotes, no comment, no list. Letters of all scripts may be in it; a
    domain with such letters comes back in the form that every mail server takes (xn--), if that is the same one.
    """
    bare = unicodedata.normalize("NFC", (address or "").strip(" "))
    local, at, domain = bare.rpartition("@")
    if "=?" in bare:  # `=?utf-8?q?eve?=@…` is good by the letter, and mail libraries read it as eve@…
        return None
    if not at or not all(map(_is_atom, local.split("."))) or not all(map(_is_label, domain.split("."))):
        return None
    host = _for_every_server(domain) if "." in domain else None
    if host is None or len(local.encode()) > _LONGEST_LOCAL_PART:
        return None
    whole = f"{local}@{host}"
    return whole if len(whole.encode()) <= _LONGEST_ADDRESS else None


def _is_atom(text: str) -> bool:
    return bool(text) and all(_ATOM.fullmatch(char) or _is_foreign_letter(char) for char in text)


def _is_label(text: str) -> bool:
    known = all(
        (char.isascii() and char.isalnum()) or char == "-" or _is_foreign_letter(char) for char in text
    )
    return bool(text) and known and text[0] != "-" and text[-1] != "-"


def _is_foreign_letter(char: str) -> bool:
    return not char.isascii() and unicodedata.category(char)[0] in "LMN"


def _for_every_server(domain: str) -> str | None:
    try:
        plain = domain.encode("idna").decode()
        same = plain.encode().decode("idna") == domain.lower()
    except UnicodeError:  # a label that is too long, or letters that no domain may have
        return None
    # Python's codec takes ß for ss, and would write to a stranger: such a domain stays as it is
    return plain if same or domain.isascii() else domain


def _address_of(entries: Sequence[KitEntry]) -> str:
    if not entries:
        raise KitError("there is no letter without an eSIM")
    first, address = entries[0], check_address(entries[0].email)
    for entry in entries:
        if not entry.has_code:
            raise KitError(
                f"eSIM {entry.iccid} has no code to send: {entry.withheld}. Leave it out of the letter."
            )
        if (entry.recipient_ref, check_address(entry.email)) != (first.recipient_ref, address):
            raise KitError(
                f"eSIMs {first.iccid} and {entry.iccid} are for different recipients or addresses: one letter would "
                "tell each of them the other's code. Nothing was composed; compose a letter for each."
            )
    if address is None:
        raise KitError(
            f"recipient {first.recipient_ref!r} has no e-mail address that mail can go to (eSIM {first.iccid}). "
            "Correct the manifest's column email, or hand over the kit's sheet."
        )
    return address


def _esims(entries: Sequence[KitEntry], drawings: Sequence[Drawing], unique: str) -> list[tuple[Esim, bytes]]:
    """Each eSIM once, with its picture."""
    if len(entries) != len(drawings):
        raise KitError(
            f"a letter with {len(entries)} entries has {len(drawings)} QR codes: nothing was composed"
        )
    together: dict[str, list[tuple[KitEntry, Drawing]]] = {}
    for entry, drawing in zip(entries, drawings, strict=True):
        together.setdefault(entry.iccid, []).append((entry, drawing))
    esims = []
    for number, (iccid, same) in enumerate(together.items(), start=1):
        entry, drawing = same[0]
        if len({each.activation_code for each, _ in same}) > 1:
            raise KitError(f"eSIM {iccid} has two different codes: nothing was composed; ask the vendor")
        links = (("iPhone", entry.apple_link), ("Android", entry.android_link))
        esims.append(
            (
                Esim(
                    iccid=iccid,
                    plans=tuple(dict.fromkeys(on_one_line(each.plan or each.bundle) for each, _ in same)),
                    topped_up=all(each.topped_up for each, _ in same),
                    server=entry.smdp_address,
                    matching_id=entry.matching_id,
                    activation_code=entry.activation_code,
                    # the vendor may send any: what is no https link is not clicked on
                    links=tuple((phone, link) for phone, link in links if re.fullmatch(r"https://\S+", link)),
                    picture=f"qr{number}.{unique}@esim.invalid",
                    picture_file=f"{entry.qr_name}.png",
                    side=min(int.from_bytes(drawing.png[16:20]) * 3 // 4, _LARGEST_PICTURE),
                ),
                drawing.png,
            )
        )
    return esims


def _subject(subject: str, esims: Sequence[Esim]) -> str:
    line = on_one_line(subject) or DEFAULT_SUBJECT
    if any(esim.matching_id in line for esim in esims):
        raise KitError(
            "the subject holds an activation code, which mail servers log: take it out of the subject"
        )
    return _DEFAULT_SUBJECTS if line == DEFAULT_SUBJECT and len(esims) > 1 else line


def mailbox(argument: str, text: str) -> Address:
    """One address with or without a display name, as the connection or the DAG gives it.

    Raises:
        KitError: it is none, or several.
    """
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = text
        header = message["From"]
        assert isinstance(header, AddressHeader)
        (given,) = header.addresses
        address = check_address(given.addr_spec)
    except (ValueError, HeaderParseError, IndexError):  # a line break; what Python's parser trips over
        address = None
    if address is None:
        raise KitError(f"{argument} is {text!r}, which is not one e-mail address")
    return Address(given.display_name, addr_spec=address)


def _checked_id(message_id: str) -> str:
    if not re.fullmatch(r"<[!-;=?A-~]+@[!-;=?A-~]+>", message_id):
        raise KitError(f"message_id is {message_id!r}, which is not like <something@some.domain>")
    return message_id
