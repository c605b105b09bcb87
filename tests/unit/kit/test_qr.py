"""QR codes: what they hold, how they are drawn, and that many are drawn in order."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
import zxingcpp
from kit_entries import CODE, entry
from PIL import Image
from scanning import scanned

from airflow_provider_esimgo.kit import KitError
from airflow_provider_esimgo.kit.qr import QUIET, SCALE, draw, draw_all, print_picture
from airflow_provider_esimgo.kit.verify import SAMPLE, Verify, read_code, verify_drawing

LPA = f"LPA:1$rsp.example${CODE}"


def level(picture: Image.Image) -> str:
    (found,) = zxingcpp.read_barcodes(picture.convert("L"))
    return str(found.ec_level)


@pytest.mark.parametrize("matching_id", [CODE, "ABCDE-FGHIJ-KLMNO-PQRST", "X" * 120])
def test_every_form_scans_as_the_activation_code(matching_id: str):
    code = f"LPA:1$rsp.example${matching_id}"
    drawing = draw(code)
    assert scanned(drawing.png) == code
    small = Image.open(io.BytesIO(drawing.small_png)).convert("L")
    enlarged = small.resize((small.width * 5, small.height * 5), Image.Resampling.NEAREST)
    assert zxingcpp.read_barcodes(enlarged)[0].text == code
    assert zxingcpp.read_barcodes(print_picture(drawing.print_rows))[0].text == code


def test_screens_get_correction_m_and_print_gets_q():
    drawing = draw(LPA)
    assert level(Image.open(io.BytesIO(drawing.png))) == "M"
    assert level(print_picture(drawing.print_rows)) == "Q"


def test_the_quiet_zone_is_kept():
    picture = Image.open(io.BytesIO(draw(LPA).png)).convert("L")
    margin = QUIET * SCALE
    inner = picture.point(lambda value: 255 - value).getbbox()
    assert inner == (margin, margin, picture.width - margin, picture.height - margin)


def test_the_svg_has_the_same_size_and_no_code_in_its_text():
    drawing = draw(LPA)
    picture = Image.open(io.BytesIO(drawing.png))
    assert f'width="{picture.width}"'.encode() in drawing.svg
    assert CODE.encode() not in drawing.svg


def test_many_are_drawn_in_their_order_by_several_processes():
    codes = [f"{LPA}-{number}" for number in range(70)]
    assert [scanned(one.png) for one in draw_all(codes, processes=2)] == codes


def test_the_same_code_is_the_same_picture_in_any_process():
    assert next(iter(draw_all([LPA], processes=2))) == draw(LPA)


def test_drawing_with_processes_does_not_run_the_callers_script_again(tmp_path: Path):
    """An unguarded script that buys and exports must not buy in its children as well."""
    script = tmp_path / "script.py"
    script.write_text(
        "print('bought', flush=True)\n"
        "from airflow_provider_esimgo.kit.qr import draw_all\n"
        "print(len(list(draw_all(['LPA:1$a$' + str(n) for n in range(40)], processes=2))))\n"
    )
    told = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=True)
    assert told.stdout.split() == ["bought", "40"]


def test_a_drawing_in_a_log_shows_nothing():
    assert repr(draw(LPA)) == "Drawing()"


def test_a_drawing_of_another_code_stops_the_kit_and_tells_neither():
    other = draw("LPA:1$rsp.example$OTHER-CODE")
    with pytest.raises(KitError) as stopped:
        verify_drawing(entry(), other)
    assert entry().iccid in str(stopped.value)
    assert CODE not in str(stopped.value)
    assert "OTHER-CODE" not in str(stopped.value)


def test_a_printed_symbol_of_another_code_stops_the_kit_too():
    right, other = draw(entry().activation_code), draw("LPA:1$rsp.example$OTHER-CODE")
    verify_drawing(entry(), right)
    with pytest.raises(KitError):
        verify_drawing(entry(), type(right)(right.png, right.svg, right.small_png, other.print_rows))


@pytest.mark.parametrize("image", [b"", b"no picture", draw(LPA).png[:200]])
def test_what_is_no_picture_holds_no_code(image: bytes):
    assert read_code(image) is None


def test_a_sample_includes_both_ends_and_a_small_kit_whole():
    iccids = [str(number) for number in range(1000)]
    sample = Verify.SAMPLE.pick(iccids)
    assert len(sample) == SAMPLE
    assert {"0", "999"} <= sample
    assert Verify.SAMPLE.pick(iccids[:SAMPLE]) == frozenset(iccids[:SAMPLE])
    assert Verify.ALL.pick(iccids) == frozenset(iccids)
    assert Verify.NONE.pick(iccids) == frozenset()
