"""The letter as HTML, for mail clients.

Must stay true: it says what `letter_text` says; tables with inline styles, at most 600 pixels wide, that load
nothing. Mail clients drop style sheets: the one it has only adds dark colours and what widths allow. QR codes stand
on white whatever the colours are, and a client's text is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from string import Template

from airflow_provider_esimgo.kit.letter_text import (
    BY_HAND,
    CAREFUL,
    SCAN,
    STEPS,
    TOPPED_UP,
    Esim,
    Letter,
    in_lines,
    manual_entry,
)


def as_html(letter: Letter) -> str:
    """The letter for everybody else."""
    several = len(letter.esims) > 1
    note = "<br>\n".join(escape(line) for line in in_lines(letter.note))
    return _filled(
        _PAGE,
        title=escape(letter.heading),
        preview=escape(" · ".join(" + ".join(esim.plans) for esim in letter.esims)),
        greeting=f"Hello <bdi>{escape(letter.name)}</bdi>," if letter.name else "Hello,",
        opening=escape(letter.opening),
        note=_filled(_NOTE, note=note) if note else "",
        esims="".join(
            _card(esim, f"eSIM {number} of {len(letter.esims)}" if several else "")
            for number, esim in enumerate(letter.esims, start=1)
        ),
        steps="".join(_steps(phone, steps) for phone, steps in STEPS),
        careful=escape(CAREFUL),
    )


def _card(esim: Esim, count: str) -> str:
    plans = "<br>\n".join(escape(plan) for plan in esim.plans)
    return _filled(
        _CARD,
        count=_filled(_COUNT, count=count) if count else "",
        plans=plans,
        iccid=escape(esim.iccid),
        topped_up=_filled(_TOPPED_UP, text=escape(TOPPED_UP)) if esim.topped_up else "",
        buttons=_buttons(esim.links),
        picture=escape(esim.picture),
        side=str(esim.side),
        scan=f"{escape(SCAN)}.",
        by_hand=escape(BY_HAND),
        manual="".join(
            _filled(_MANUAL, what=escape(what), value=escape(value)) for what, value in manual_entry(esim)
        ),
    )


def _filled(template: str, **values: str) -> str:
    return Template(template).substitute(values)


def _buttons(links: Sequence[tuple[str, str]]) -> str:
    gap = '<td class="gap" width="4%" style="font-size:1px;line-height:12px">&nbsp;</td>'
    cells = gap.join(_filled(_BUTTON, phone=escape(phone), link=escape(link)) for phone, link in links)
    return _filled(_BUTTONS, cells=cells) if links else ""


def _steps(phone: str, steps: Sequence[str]) -> str:
    rows = "".join(
        _filled(_STEP, number=str(number), step=escape(step)) for number, step in enumerate(steps, start=1)
    )
    return _filled(_PHONE, phone=escape(phone), steps=rows)


_SANS = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;"
_MONO = "font-family:Menlo,Consolas,'Liberation Mono',monospace;"
_TABLE = 'role="presentation" cellpadding="0" cellspacing="0" border="0"'

_STYLE = """:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (min-width: 520px) {
  .outer { padding: 24px 12px !important; }
  .sheet { padding: 32px !important; }
  .card { padding: 24px !important; }
}
@media (max-width: 480px) {
  .outer { padding: 0 !important; }
  .button, .gap { display: block !important; width: auto !important; }
}
@media (prefers-color-scheme: dark) {
  .page, .outer { background-color: #0d1117 !important; }
  .sheet { background-color: #161b22 !important; }
  .ink { color: #e6edf3 !important; }
  .soft { color: #9aa4ae !important; }
  .card { border-color: #30363d !important; }
  .well { background-color: #0d1117 !important; }
  .told { background-color: #3a2a0c !important; color: #ffcf70 !important; }
}
"""

_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="format-detection" content="telephone=no,date=no,address=no,email=no,url=no">
<title>$title</title>
<style>
{_STYLE}</style>
</head>
<body class="page" style="margin:0;padding:0;background-color:#f4f6f8;-webkit-text-size-adjust:100%">
<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">$preview</div>
<table {_TABLE} width="100%"><tr>
<td class="outer" align="center" bgcolor="#f4f6f8" style="padding:8px;background-color:#f4f6f8">
<!--[if mso]><table {_TABLE} width="600"><tr><td><![endif]-->
<table {_TABLE} width="100%" style="max-width:600px;margin:0 auto"><tr>
<td class="sheet ink" align="left" bgcolor="#ffffff" style="padding:24px 20px;background-color:#ffffff;\
border-radius:12px;{_SANS}font-size:16px;line-height:24px;color:#1b1f24;word-break:break-word">
<h1 class="ink" style="margin:0 0 16px;font-size:26px;line-height:32px;font-weight:700;color:#1b1f24">$title</h1>
<p style="margin:0 0 12px">$greeting</p>
<p style="margin:0 0 24px">$opening</p>
$note$esims$steps<table {_TABLE} width="100%"><tr>
<td class="well ink" bgcolor="#f4f6f8" style="padding:14px 16px;background-color:#f4f6f8;border-radius:8px;\
{_SANS}font-size:14px;line-height:21px;color:#1b1f24">$careful</td>
</tr></table>
</td></tr></table>
<!--[if mso]></td></tr></table><![endif]-->
</td></tr></table>
</body>
</html>
"""

_NOTE = f"""<table {_TABLE} width="100%" style="margin:0 0 24px"><tr>
<td class="ink" style="padding:2px 0 2px 14px;border-left:4px solid #0b57d0;{_SANS}font-size:16px;\
line-height:24px;color:#1b1f24;word-break:break-word">$note</td>
</tr></table>
"""

_COUNT = f'<p class="soft" style="margin:0 0 4px;{_SANS}font-size:13px;line-height:18px;color:#57606a">$count</p>\n'

_CARD = f"""<table {_TABLE} width="100%" style="margin:0 0 24px;border-collapse:separate"><tr>
<td class="card" style="padding:20px 16px;border:1px solid #d5dbe1;border-radius:12px">
$count<p class="ink" style="margin:0 0 4px;{_SANS}font-size:19px;line-height:26px;font-weight:700;color:#1b1f24;\
word-break:break-word">$plans</p>
<p class="soft" style="margin:0 0 18px;{_SANS}font-size:13px;line-height:18px;color:#57606a">ICCID $iccid</p>
$topped_up$buttons<table {_TABLE} align="center" style="margin:0 auto"><tr>
<td bgcolor="#ffffff" style="padding:4px;background-color:#ffffff;border-radius:8px;line-height:0">
<img src="cid:$picture" width="$side" height="$side" alt="The QR code of this eSIM" style="display:block;\
width:${{side}}px;height:${{side}}px;border:0;background-color:#ffffff">
</td></tr></table>
<p class="soft" style="margin:8px 0 20px;text-align:center;{_SANS}font-size:14px;line-height:20px;\
color:#57606a">$scan</p>
<table {_TABLE} width="100%"><tr>
<td class="well" bgcolor="#f4f6f8" style="padding:14px 16px 4px;background-color:#f4f6f8;border-radius:8px">
<p class="ink" style="margin:0 0 10px;{_SANS}font-size:14px;line-height:20px;font-weight:700;\
color:#1b1f24">$by_hand</p>
$manual</td></tr></table>
</td></tr></table>
"""

_TOPPED_UP = f"""<table {_TABLE} width="100%" style="margin:0 0 18px"><tr>
<td class="told" bgcolor="#fff3d6" style="padding:12px 14px;background-color:#fff3d6;border-radius:8px;{_SANS}\
font-size:14px;line-height:21px;color:#5c3d00">$text</td>
</tr></table>
"""

_BUTTONS = f"""<table {_TABLE} width="100%" style="margin:0 0 20px"><tr>
$cells
</tr></table>
"""

_BUTTON = f"""<td class="button" align="center" width="48%" bgcolor="#0b57d0" style="background-color:#0b57d0;\
border-radius:8px">\
<a href="$link" target="_blank" style="display:block;padding:13px 8px;{_SANS}font-size:16px;line-height:22px;\
font-weight:600;color:#ffffff;text-decoration:none">Install on $phone</a></td>"""

_MANUAL = f"""<p class="soft" style="margin:0;{_SANS}font-size:13px;line-height:18px;color:#57606a">$what</p>
<p class="ink" style="margin:0 0 10px;{_MONO}font-size:14px;line-height:20px;color:#1b1f24;\
word-break:break-all">$value</p>
"""

_PHONE = f"""<h2 class="ink" style="margin:0 0 8px;{_SANS}font-size:17px;line-height:24px;font-weight:700;\
color:#1b1f24">$phone</h2>
<table {_TABLE} width="100%" style="margin:0 0 20px">
$steps</table>
"""

_STEP = f"""<tr><td class="soft" width="24" valign="top" style="padding:0 0 6px;width:24px;{_SANS}font-size:15px;\
line-height:22px;color:#57606a">$number.</td>
<td class="ink" valign="top" style="padding:0 0 6px;{_SANS}font-size:15px;line-height:22px;\
color:#1b1f24">$step</td></tr>
"""
