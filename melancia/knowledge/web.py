"""Web pages and sitemaps → documents, without ever reaching into the own network.

Every address, redirects included, is resolved first, refused unless all its IP addresses are public, and
then connected to by that very IP address, so that a second answer of the name server changes nothing.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

import httpx

from melancia.errors import DocumentError, InputError
from melancia.knowledge.documents import LoadedDocument, parse

MAX_BYTES = 10_000_000
MAX_PAGES = 500  # of one sitemap
_MAX_REDIRECTS = 5
_TIMEOUT = httpx.Timeout(20, connect=5)
_AGENT = "MelancIA-ingest/1 (+base de conhecimento)"
_SUFFIX_OF = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/plain": ".txt",
    "text/markdown": ".md",
    "application/pdf": ".pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
}
_NAT64 = IPv6Network("64:ff9b::/96")
_XML = ("application/xml", "text/xml", "application/rss+xml")

IsAllowed = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address answered, after redirects: the final address, the media type, the body."""

    url: str
    media_type: str
    body: bytes


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet; embedded IPv4 addresses are looked at too."""
    ip = ip_address(address.partition("%")[0])
    inner: list[IPv4Address | None] = []
    if isinstance(ip, IPv6Address):
        translated = IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
        inner = [ip.ipv4_mapped, ip.sixtofour, translated, *(ip.teredo or ())]
    return all(part.is_global and not part.is_multicast for part in (ip, *inner) if part is not None)


def is_url(text: str) -> bool:
    """Whether ``text`` is meant as an address rather than as a path."""
    return "://" in text


def fetch(url: str, allowed: IsAllowed = is_public) -> Fetched:
    """Get ``url`` within ``MAX_BYTES`` and a few redirects. Raises DocumentError with the reason."""
    current = url
    for _ in range(_MAX_REDIRECTS + 1):
        host, address = _resolved(current, allowed, url)
        try:
            answer = _get(current, host, address, url)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise DocumentError(url, f"não respondeu ({type(error).__name__})") from error
        if isinstance(answer, Fetched):
            return answer
        current = answer
    raise DocumentError(url, "redireciona vezes demais")


def pages(url: str, allowed: IsAllowed = is_public) -> tuple[list[str], Fetched | None]:
    """The pages behind ``url``: those of a sitemap, or the page itself with what was already fetched.

    Raises InputError for an address of another scheme, DocumentError when it cannot be fetched.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise InputError(f"{url} não é um endereço http:// ou https://.", "Confira o endereço.")
    fetched = fetch(url, allowed)
    if fetched.media_type not in _XML and not urlsplit(fetched.url).path.endswith(".xml"):
        return [url], fetched
    found: list[str] = []
    for entry in _locations(fetched, url):
        if _host(entry) and urlsplit(entry).path.endswith(".xml"):
            found += [page for page in _locations(fetch(entry, allowed), url) if not page.endswith(".xml")]
        else:
            found.append(entry)
    # A sitemap speaks for its own site only.
    site = urlsplit(fetched.url).hostname
    own = [page for page in dict.fromkeys(found) if _host(page) == site]
    if not own:
        raise DocumentError(url, "é um sitemap sem páginas do próprio site")
    return own[:MAX_PAGES], None


def load_page(url: str, fetched: Fetched | None = None, allowed: IsAllowed = is_public) -> LoadedDocument:
    """The document at ``url``. Raises DocumentError with the reason."""
    got = fetched or fetch(url, allowed)
    suffix = _SUFFIX_OF.get(got.media_type)
    if suffix is None:
        raise DocumentError(url, f"é de um tipo que não se sabe ler ({got.media_type or 'desconhecido'})")
    return parse(got.body, suffix, url, _identifier(url), got.url)


def _resolved(url: str, allowed: IsAllowed, asked: str) -> tuple[str, str]:
    """Host name and the IP address to connect to."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise DocumentError(asked, "o endereço não é válido") from error
    if parts.scheme not in ("http", "https"):
        raise DocumentError(asked, f"só http e https são aceitos, não “{parts.scheme}”")
    if not host or parts.username is not None or parts.password is not None:
        raise DocumentError(asked, "o endereço não é válido (sem servidor, ou com usuário e senha)")
    try:
        answers = socket.getaddrinfo(
            host, port or (443 if parts.scheme == "https" else 80), type=socket.SOCK_STREAM
        )
    except (OSError, UnicodeError) as error:
        raise DocumentError(asked, f"o servidor {host} não foi encontrado") from error
    addresses = [str(answer[4][0]) for answer in answers]
    if not addresses or not all(allowed(address) for address in addresses):
        raise DocumentError(asked, f"{host} fica em uma rede interna, que não é acessada")
    return host, addresses[0]


def _get(url: str, host: str, address: str, asked: str) -> Fetched | str:
    """One request to ``address``; the answer, or where it redirects to."""
    parts = urlsplit(url)
    literal = f"[{address}]" if ":" in address else address
    pinned = urlunsplit(parts._replace(netloc=f"{literal}:{parts.port}" if parts.port else literal))
    headers = {"host": _netloc(parts), "user-agent": _AGENT, "accept-encoding": "gzip, deflate"}
    with (
        httpx.Client(timeout=_TIMEOUT, follow_redirects=False, trust_env=False) as client,
        client.stream("GET", pinned, headers=headers, extensions={"sni_hostname": host}) as response,
    ):
        if response.has_redirect_location:
            return urljoin(url, response.headers["location"])
        if not response.is_success:
            raise DocumentError(asked, f"o servidor respondeu {response.status_code}")
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) > MAX_BYTES:
                raise DocumentError(asked, f"é maior que {MAX_BYTES // 1_000_000} MB")
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Fetched(url, media_type, bytes(body))


def _netloc(parts: SplitResult) -> str:
    """Host and port as they are asked for: names with accents in their ASCII form. Raises ValueError."""
    if parts.netloc.isascii():
        return parts.netloc
    name = (parts.hostname or "").encode("idna").decode()
    return f"{name}:{parts.port}" if parts.port else name


def _host(url: str) -> str | None:
    """An address's host; None when it has none, or is none."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _locations(fetched: Fetched, asked: str) -> list[str]:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        tree = etree.fromstring(fetched.body, parser)
    except etree.XMLSyntaxError as error:
        raise DocumentError(asked, "não é um sitemap XML que se possa ler") from error
    return [str(node.text).strip() for node in tree.iter("{*}loc") if node.text]


def _identifier(url: str) -> str:
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.netloc}{parts.path.rstrip('/')}{query}"
