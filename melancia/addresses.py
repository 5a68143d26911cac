"""What an address tells: whether it can be used, whose server it is, whether a proxy may stand before it."""

import ipaddress
from urllib.parse import urlsplit

OPENAI_URL = "https://api.openai.com/v1"
_OWN_SUFFIXES = (".local", ".internal", ".lan", ".localhost")


def normalised(url: str) -> str | None:
    """``url`` with a scheme (http when it has none) and no final slash; None when it cannot be an address."""
    text = url.strip().rstrip("/")
    if "://" not in text:
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return None
    return text if usable and not any(char.isspace() for char in text) else None


def is_loopback(url: str) -> bool:
    """Whether the server runs on this machine."""
    host = _host(url)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _ip(host)
    return address is not None and (address.is_loopback or address.is_unspecified)


def is_own(url: str) -> bool:
    """Whether the server is on this machine or on the own network: no proxy before it, no price a token."""
    host = _host(url)
    address = _ip(host)
    if address is not None:
        return address.is_private or address.is_loopback or address.is_link_local
    # A name without a dot (a container's, "localhost") cannot be a public one.
    return bool(host) and ("." not in host or host.endswith(_OWN_SUFFIXES))


def is_openai(url: str) -> bool:
    """Whether the server is OpenAI's own."""
    host = _host(url)
    return host == "api.openai.com" or host.endswith(".api.openai.com")


def _host(url: str) -> str:
    address = normalised(url)
    return (urlsplit(address).hostname or "").rstrip(".").lower() if address else ""


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
