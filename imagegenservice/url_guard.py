"""The one place that decides which foreign URL may be fetched, and at which address."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from unicodedata import category, normalize
from urllib.parse import unquote_to_bytes

from .errors import ConfigurationError, UrlNotAllowed

MAX_URL: Final = 2048
_MAX_HOST: Final = 253  # RFC 1035, 2.3.4, without the last dot
# RFC 3986, cut down to what an ordinary picture's address looks like: no user info, no IP literals, no
# escapes in the host, no back slashes. Everything else is refused before anything is looked up.
_URL: Final = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?"
    r"(?:\?(?P<query>(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*))?",
    re.ASCII,
)
_PORTS: Final = {"http": 80, "https": 443}
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_UNICAST: Final = ipaddress.ip_network("2000::/3")
# Not to be reached from the internet, although is_global of some Python versions says so: the old relays of
# 6to4 (RFC 7526) and the addresses for documentation (RFC 9637).
_INNER: Final = (ipaddress.ip_network("192.88.99.0/24"), ipaddress.ip_network("3fff::/20"))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in its parts, as they are used for the connection; never parsed a second time."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def authority(self) -> str:
        """What the Host header says: the port only where it is not the scheme's own."""
        return self.host if self.port == _PORTS[self.scheme] else f"{self.host}:{self.port}"

    @property
    def target(self) -> str:
        """What stands in the request line."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def at(self, address: Address) -> str:
        """The URL that connects to *address*."""
        literal = f"[{address}]" if address.version == 6 else str(address)
        return f"{self.scheme}://{literal}:{self.port}{self.target}"


class UrlGuard:
    """Allows what begins with one of *prefixes*: same scheme, host and port, and a path below its path."""

    def __init__(
        self, prefixes: Iterable[str], *, is_public: Callable[[Address], bool] | None = None
    ) -> None:
        self._prefixes = [_prefix(text) for text in prefixes]
        self._is_public = is_public or public

    def check(self, url: str) -> Target:
        """Decide by the text alone: no look-up, no connection. Raises UrlNotAllowed."""
        target = _parse(url)
        if target is None or not any(_below(target, prefix) for prefix in self._prefixes):
            raise UrlNotAllowed
        return target

    def choose(self, addresses: Sequence[str]) -> Address:
        """The address to connect to. Raises UrlNotAllowed unless every answer is a public address."""
        try:
            found = [ipaddress.ip_address(address) for address in addresses]
        except ValueError:
            raise UrlNotAllowed from None
        if not found or not all(self._is_public(address) for address in found):
            raise UrlNotAllowed
        return found[0]


def public(address: Address) -> bool:
    """True for a global unicast address without a scope, embedded IPv4 addresses unwrapped."""
    inner = _embedded(address)
    if inner is not None:
        return public(inner)
    if getattr(address, "scope_id", None) or any(address in network for network in _INNER):
        return False
    # Of IPv6 only this block is global unicast (RFC 4291, 2.4); is_global lets fec0::/10 pass.
    known = address.version == 4 or address in _UNICAST
    return known and address.is_global and not address.is_multicast


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    named = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
    if named:
        return named
    packed = address.packed
    if address in _NAT64 or packed[8:12] in {b"\0\0\x5e\xfe", b"\x02\0\x5e\xfe"}:
        return ipaddress.IPv4Address(packed[12:])  # NAT64 (RFC 6052) and ISATAP (RFC 5214)
    if packed[:12] == bytes(12):
        return ipaddress.IPv4Address(packed[12:])  # IPv4-compatible (RFC 4291, 2.5.5.1)
    return None


def _parse(url: str) -> Target | None:
    match = _URL.fullmatch(url) if len(url) <= MAX_URL else None
    if match is None:
        return None
    host, path, query = match["host"], match["path"] or "/", match["query"] or ""
    if len(host) > _MAX_HOST or _looks_numeric(host) or _climbs(path) or _plain(query) is None:
        return None
    port = int(match["port"]) if match["port"] else _PORTS[match["scheme"]]
    return Target(match["scheme"], host, port, path, query) if port <= 65535 else None


def _looks_numeric(host: str) -> bool:
    # 127.1, 2130706433 and 0x7f.1 are addresses to some resolvers; no public name ends in such a label.
    last = host.rpartition(".")[2]
    return last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last) is not None


def _climbs(path: str) -> bool:
    """True when some server might read *path* as a way out of its folder, or not at all."""
    if re.search(r"%(?:2f|5c|25)", path, flags=re.IGNORECASE):
        return True
    plain = _plain(path)
    # Compatibility forms of the dot are dots to some, and to some a part ends where its parameters begin.
    parts = [] if plain is None else normalize("NFKC", plain).split("/")
    return plain is None or any(part and not part.partition(";")[0].strip(". ") for part in parts)


def _plain(text: str) -> str | None:
    """What *text* stands for; None for what is not UTF-8, and for control characters."""
    try:
        plain = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        return None
    return None if any(category(char) in {"Cc", "Cf"} for char in plain) else plain


def _prefix(text: str) -> Target:
    target = _parse(text)
    if target is None or target.query:
        raise ConfigurationError(f"{text!r} in an allow-list is not of the form https://host/path/")
    return target


def _below(target: Target, prefix: Target) -> bool:
    same = (target.scheme, target.host, target.port) == (prefix.scheme, prefix.host, prefix.port)
    folder = prefix.path if prefix.path.endswith("/") else f"{prefix.path}/"
    return same and (target.path == prefix.path or target.path.startswith(folder))
