"""Which addresses may be trusted with a secret (https anywhere, http to this machine only), and which are private."""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address, without port) can only be this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_private(host: str) -> bool:
    """Whether `host` cannot be reached from outside its own network, as far as its name or address tells."""
    name = host.lower().rstrip(".")
    try:
        return not ip_address(name).is_global
    except ValueError:
        return "." not in name or name.endswith((".localhost", ".local", ".internal"))


def split_safe_url(url: str, *, name: str) -> SplitResult:
    """Split `url` if whatever is sent there stays unread on the way.

    Args:
        name: What the user calls this URL, to lead the error text with.

    Raises:
        ValueError: It is not an absolute http(s) URL, or plain http to another machine. The text never repeats the
            URL, which may hold a password.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"{name} is not a URL; write it like https://api.example.com.") from None
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        raise ValueError(f"{name} must be an absolute https:// URL, like https://api.example.com.")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError(
            f"{name} must begin with https:// because a secret travels in its headers; "
            "plain http:// is for this machine only (localhost, 127.0.0.1, [::1])."
        )
    return parts
