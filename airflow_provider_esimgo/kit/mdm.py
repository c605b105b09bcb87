"""Upload files with which device management installs eSIMs, so that nobody scans anything.

- `intune`: CSV for "eSIM cellular profiles": the SM-DP+ server's name alone, then `ICCID,matching id` rows; no
  header, at most 1,000 rows, one plan and one server a file. Intune hands a file's codes to its device group
  in no order: who gets which is read back from Intune. It may refuse a second file of one server while the
  first is there. Source: learn.microsoft.com, "Configure eSIM cellular profiles using imported activation
  codes"; the patterns are those of Graph's `embeddedSIMActivationCode`.
- `knox`: a workbook for Settings > Configurations > Bulk eSIM management, `Activation Code` in column A and
  `IMEI` in column B. Source: docs.samsungknox.com, "Manage eSIMs" (26.06). The IMEI comes from the client's own
  manifest column `imei`.
- `android_management`: JSON lines. `jq -c .command` is the body of `enterprises.devices.issueCommand`, for the
  device that the rest of the line tells of: `recipient_ref`, `iccid`, `imei` (null unless the manifest has a good
  one). `ACTIVATED` is for company-owned devices with Android 15 or later; the API rejects it on personal ones.
  Source: the API's reference of `ADD_ESIM` and `AddEsimParams`.

Must stay true: the same entries give the same bytes; each eSIM is in a file once; a file that its system would
refuse is not made, and what is told then names ICCIDs or recipients, never a code or a person.
"""

from __future__ import annotations

import difflib
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from airflow_provider_esimgo.kit.entries import KitEntry, KitError, fingerprint, safe_name

FORMATS: tuple[str, ...] = ("intune", "knox", "android_management")
INTUNE_ROWS = 1000

_APPLE = ("apple", "jamf", "ios", "iphone", "ipad")
_INTUNE_ICCID = re.compile(r"[0-9]{19}[0-9]?")
_INTUNE_MATCHING_ID = re.compile(r"[a-zA-Z0-9-]*")
_INTUNE_SERVER = re.compile(r"([a-zA-Z0-9]+(-[a-zA-Z0-9]+)*\.)+[a-zA-Z]{2,}")
_SHOWN = 5  # recipients, in an error
_EPOCH = datetime(1980, 1, 1)  # noqa: DTZ001 - a zip's earliest moment, which has no zone


def check_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """The formats asked for, each once, in the order of FORMATS; raises KitError for one that is none."""
    if isinstance(formats, str):
        raise KitError(f"the device-management formats are a list: [{formats!r}], not {formats!r}")
    for name in formats:
        if name not in FORMATS:
            raise KitError(_why_not(str(name)))
    return tuple(name for name in FORMATS if name in formats)


def mdm_files(formats: Sequence[str], entries: Sequence[KitEntry]) -> Iterator[tuple[str, bytes]]:
    """Name within the kit and content of each upload file; what is wrong is raised before the first one.

    Entries without a code are left out, and where no entry has one there is no file.
    """
    wanted = check_formats(formats)
    once: dict[str, KitEntry] = {}  # two bundles on one eSIM are two entries
    for entry in entries:
        if entry.has_code:
            once.setdefault(entry.iccid, entry)
    esims = list(once.values())
    files: list[tuple[str, bytes]] = []
    if esims and "intune" in wanted:
        files += _intune(esims)
    if esims and "knox" in wanted:
        files.append(("mdm/knox-manage.xlsx", _knox(esims)))
    if esims and "android_management" in wanted:
        files.append(("mdm/android-management.jsonl", _android(esims)))
    return iter(files)


def _why_not(name: str) -> str:
    plain = re.sub(r"[\s-]+", "_", name.strip().casefold())
    if plain.startswith(_APPLE):
        return (
            f"there is no {name!r} format: Apple's device management takes no activation code of a reseller. Its one "
            "command, RefreshCellularPlans, asks a carrier's own eSIM server for a plan that this carrier has assigned "
            "to the device's EID beforehand. Hand out the QR codes, the install links or the printable sheet instead."
        )
    near = difflib.get_close_matches(plain, FORMATS, n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return f"there is no device-management format {name!r}.{guess} There are: {', '.join(FORMATS)}."


# --- Intune


def _intune(esims: Iterable[KitEntry]) -> list[tuple[str, bytes]]:
    files: dict[tuple[str, str], list[str]] = {}
    for entry in esims:
        _fits_intune(entry)
        server = entry.smdp_address.lower()  # so that two spellings of one server make no two files
        files.setdefault((entry.bundle, server), []).append(f"{entry.iccid},{entry.matching_id}")
    stems = {key: f"intune-{safe_name(key[0])}-{safe_name(key[1])}" for key in files}
    alike = Counter(stem.casefold() for stem in stems.values())  # some file systems know no case
    made = []
    for key, rows in files.items():
        stem = stems[key]
        if alike[stem.casefold()] > 1:
            stem += f"-{fingerprint(chr(10).join(key))}"
        for part, start in enumerate(range(0, len(rows), INTUNE_ROWS), start=1):
            lines = [key[1], *rows[start : start + INTUNE_ROWS]]
            # CRLF: what RFC 4180 asks for and Excel writes, so what importers are tried with
            content = "".join(f"{line}\r\n" for line in lines)
            made.append((f"mdm/{stem}-{part:03}.csv", content.encode("ascii")))
    return made


def _fits_intune(entry: KitEntry) -> None:
    misfit = ""
    if not _INTUNE_ICCID.fullmatch(entry.iccid):
        misfit = "its ICCID is not 19 or 20 digits"
    elif not _INTUNE_MATCHING_ID.fullmatch(entry.matching_id):
        misfit = "its matching id has other characters than A-Z, a-z, 0-9 and '-'"
    elif not _INTUNE_SERVER.fullmatch(entry.smdp_address):
        misfit = f"its SM-DP+ address {entry.smdp_address!r} is not a fully qualified domain name"
    if misfit:
        raise KitError(
            f"eSIM {entry.iccid} cannot be imported into Intune: {misfit}. "
            "Leave 'intune' out of the formats, or ask the vendor about this eSIM."
        )


# --- Knox Manage


def _knox(esims: Sequence[KitEntry]) -> bytes:
    _linked_to_phones(esims)
    rows = [("Activation Code", "IMEI")]
    for entry in esims:
        if not (entry.activation_code.isascii() and entry.activation_code.isprintable()):
            raise KitError(
                f"eSIM {entry.iccid} has a code with characters that no workbook can hold. "
                "Leave 'knox' out of the formats, or ask the vendor about this eSIM."
            )
        rows.append((entry.activation_code, _imei(entry)))
    return _workbook(rows)


def _linked_to_phones(esims: Sequence[KitEntry]) -> None:
    """Knox finds the phone by its IMEI alone, so each eSIM needs one, and its own."""
    times = Counter(_imei(entry) for entry in esims)
    none = [entry for entry in esims if not _written_imei(entry)]
    wrong = [entry for entry in esims if _written_imei(entry) and not _imei(entry)]
    shared = [entry for entry in esims if _imei(entry) and times[_imei(entry)] > 1]
    told = [
        f"{len(some)} {what} ({_recipients(some)})"
        for some, what in (
            (none, "without an IMEI"),
            (wrong, "with an IMEI that is not 15 digits with a right check digit"),
            (shared, "that share an IMEI with another one"),
        )
        if some
    ]
    if told:
        raise KitError(
            f"Knox Manage cannot link {len(none) + len(wrong) + len(shared)} of {len(esims)} eSIMs to a phone: "
            f"{'; '.join(told)}. Add a column 'imei' to the manifest, a different phone's in each row, and give the "
            "manifest to the export; or leave 'knox' out of the formats."
        )


def _recipients(esims: Sequence[KitEntry]) -> str:
    shown = ", ".join(repr(entry.recipient_ref or entry.iccid) for entry in esims[:_SHOWN])
    more = len(esims) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _written_imei(entry: KitEntry) -> str:
    """What the manifest's column says, without spaces and hyphens; "" where two such columns disagree."""
    found = {
        re.sub(r"[\s-]+", "", value)
        for header, value in entry.extra.items()
        if re.sub(r"[\s_-]+", "", header).casefold() == "imei"
    } - {""}
    return found.pop() if len(found) == 1 else ""


def _imei(entry: KitEntry) -> str:
    """The entry's IMEI, 15 digits of which the last is right (Luhn); "" if it has none."""
    written = _written_imei(entry)
    if not re.fullmatch("[0-9]{15}", written):
        return ""
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in written[1::2])
    return written if (doubled + sum(map(int, written[::2]))) % 10 == 0 else ""


def _workbook(rows: Iterable[Sequence[str]]) -> bytes:
    """One sheet, every cell of it text, so that no IMEI becomes 3.57E+14 and nothing a formula.

    Made in memory: other writers keep rows in temporary files, where a killed worker would leave codes.
    """
    try:
        from xlsxwriter import Workbook  # noqa: PLC0415 - an extra
    except ImportError:
        raise KitError(
            "Knox Manage takes a workbook (xlsx), which this installation cannot write: install "
            "airflow-provider-esimgo[xlsx], or leave 'knox' out of the formats."
        ) from None
    written = io.BytesIO()
    with Workbook(written, {"in_memory": True}) as book:
        book.set_properties({"created": _EPOCH})  # not the time of writing: the same kit is the same bytes
        sheet = book.add_worksheet("eSIMs")
        text = book.add_format({"num_format": "@"})
        sheet.set_column("A:A", 60)
        sheet.set_column("B:B", 20)
        for at, row in enumerate(rows):
            for column, cell in enumerate(row):
                sheet.write_string(at, column, cell, text)
    return written.getvalue()


# --- Android Management API


def _android(esims: Iterable[KitEntry]) -> bytes:
    lines = [
        {
            "recipient_ref": entry.recipient_ref,
            "iccid": entry.iccid,
            "imei": _imei(entry) or None,
            "command": {
                "type": "ADD_ESIM",
                "addEsimParams": {"activationCode": entry.activation_code, "activationState": "ACTIVATED"},
            },
        }
        for entry in esims
    ]
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode("ascii")
