"""QR images of activation codes. Error correction M, as vendors print them; the quiet zone is kept."""

import io

import segno


def render_png(activation_code: str, *, scale: int = 8) -> bytes:
    """A black-on-white PNG of the code, with a quiet zone of four modules."""
    image = io.BytesIO()
    segno.make(activation_code, error="m", boost_error=False, micro=False).save(
        image, kind="png", scale=scale, border=4
    )
    return image.getvalue()
