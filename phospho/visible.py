"""Texts of strangers, shown so that nothing in them is hidden from whoever reads them."""

from __future__ import annotations

_HIDDEN = (
    *(code for code in range(0x20) if chr(code) not in "\n\t"),  # C0 controls
    *range(0x7F, 0xA0),  # delete, C1 controls
    0x00AD,  # soft hyphen
    *(0x115F, 0x1160, 0x3164, 0xFFA0),  # fillers of Hangul: letters that show nothing
    0x180E,  # Mongolian vowel separator
    0x200B,  # zero width space
    *range(0x202A, 0x202F),  # bidirectional embeddings and overrides
    *range(0x2060, 0x2070),  # word joiner, isolates, invisible operators
    0xFEFF,  # zero width no-break space
    *range(0xFFF9, 0xFFFC),  # interlinear annotations
    *range(0xE0000, 0xE0080),  # tags: an invisible copy of ASCII
)

# The pictures Unicode has for controls are missing from many fonts; a code is not.
_VISIBLE = {code: f"\u27e6U+{code:04X}\u27e7" for code in _HIDDEN}


def visible(text: object) -> str:
    """Return text with control and invisible characters replaced by their codes."""
    return str(text).replace("\r\n", "\n").translate(_VISIBLE)
