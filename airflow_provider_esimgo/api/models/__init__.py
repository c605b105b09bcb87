"""What the vendor's replies become: frozen dataclasses, built by `parse` from leniently read fields.

Must stay true: nothing here knows HTTP; no dict leaves the function that parsed it; secrets stay out of
reprs.
"""
