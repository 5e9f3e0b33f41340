"""How this Hamsa writes phone numbers: as they were sent, or in the many other ways that real systems have."""

import zlib

import phonenumbers

_STYLES = ("e164", "without_plus", "double_zero", "national", "international")


def write_number(number: str, style: str) -> str:
    """Return `number` (E.164) in `style`; the style `mixed` gives each number one of the others, always the same."""
    if style == "mixed":
        style = _STYLES[zlib.crc32(number.encode()) % len(_STYLES)]
    if style == "without_plus":
        return number.removeprefix("+")
    if style == "double_zero":
        return "00" + number.removeprefix("+")
    if style in {"national", "international"}:
        return _as_written(number, style)
    return number


def _as_written(number: str, style: str) -> str:
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number
    form = phonenumbers.PhoneNumberFormat
    return phonenumbers.format_number(parsed, form.NATIONAL if style == "national" else form.INTERNATIONAL)


def mask(number: str) -> str:
    """Return `number` as a log may show it: the last four digits."""
    return f"•••••{number[-4:]}"
