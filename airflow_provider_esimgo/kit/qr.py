"""QR images of activation codes: error correction M for screens, Q for print, each with its quiet zone.

segno draws them. Drawing takes pure Python some milliseconds each, so many are shared out over processes, which
import this module and no Airflow; order is kept.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import segno
from loky import ProcessPoolExecutor, cpu_count
from PIL import Image

QUIET = 4  # modules of white on each side, as the standard asks for
SCALE = 8  # pixels a module of `Drawing.png`
_WORTH_PROCESSES = 64  # starting them takes as long as drawing about this many
_SHARE = 16


@dataclass(frozen=True)
class Drawing:
    """One activation code, drawn. All of it is secret."""

    png: bytes = field(repr=False)  # black on white, SCALE pixels a module, quiet zone kept
    svg: bytes = field(repr=False)  # the same symbol, quiet zone kept
    small_png: bytes = field(repr=False)  # the same symbol, one pixel a module, quiet zone kept
    print_rows: tuple[bytes, ...] = field(
        repr=False
    )  # correction Q: a byte a module, 1 is black; no quiet zone


def draw(activation_code: str) -> Drawing:
    """Draw one code."""
    screen = segno.make(activation_code, error="m", boost_error=False, micro=False)
    printed = segno.make(activation_code, error="q", boost_error=False, micro=False)
    svg = io.BytesIO()
    screen.save(svg, kind="svg", scale=SCALE, border=QUIET, xmldecl=False)
    small = _picture(screen.matrix)
    side = small.width * SCALE
    return Drawing(
        _png(small.resize((side, side), Image.Resampling.NEAREST)),
        svg.getvalue(),
        _png(small),
        tuple(bytes(row) for row in printed.matrix),
    )


def draw_all(activation_codes: Sequence[str], *, processes: int | None = None) -> Iterator[Drawing]:
    """Draw many codes, in their order.

    Args:
        processes: over how many to share them out; None takes the cores this container may use, and one where
            there are few codes.
    """
    if processes is None:
        processes = cpu_count() if len(activation_codes) >= _WORTH_PROCESSES else 1
    if processes == 1:
        yield from map(draw, activation_codes)
        return
    with ProcessPoolExecutor(max_workers=processes) as pool:
        yield from pool.map(draw, activation_codes, chunksize=_SHARE)


def print_picture(print_rows: Sequence[bytes]) -> Image.Image:
    """A drawing's printed symbol as a picture, with its quiet zone."""
    small = _picture(print_rows).convert("L")
    return small.resize((small.width * SCALE, small.height * SCALE), Image.Resampling.NEAREST)


def _picture(matrix: Sequence[bytes | bytearray]) -> Image.Image:
    side = len(matrix) + 2 * QUIET
    modules = Image.frombytes("L", (len(matrix), len(matrix)), b"".join(matrix)).point(_WHITE_UNLESS_SET)
    picture = Image.new("L", (side, side), 255)
    picture.paste(modules, (QUIET, QUIET))
    return picture.convert("1", dither=Image.Dither.NONE)


_WHITE_UNLESS_SET = [255, *[0] * 255]


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
