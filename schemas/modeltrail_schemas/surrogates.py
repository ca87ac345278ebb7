"""Text that UTF-8 cannot carry: a lone surrogate is written as its three bytes, percent-encoded. Pure.

JSON escapes and file names of another encoding bring lone surrogates in. In references they are undone again, since
there ``%`` itself is encoded; in plain text the sign stays, so that anybody sees that something was there.
"""

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def encodable(text: str) -> str:
    """Return ``text`` with each lone surrogate percent-encoded (``%ED%A0%80``); any other text unchanged."""
    return text if text.isascii() else _SURROGATE.sub(percent_encoded, text)


def percent_encoded(match: re.Match[str]) -> str:
    """Return the UTF-8 bytes of what was matched, each as ``%XX``."""
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))
