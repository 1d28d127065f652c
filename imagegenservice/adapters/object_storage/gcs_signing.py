"""Signed URLs of Google Cloud Storage, with a key of our own or, as under Workload Identity, without one."""

from __future__ import annotations

import base64
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from threading import Lock
from typing import Any

from google.auth.credentials import Credentials, Signing
from google.auth.crypt import Signer
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2 import service_account
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from ...errors import Unavailable

MOST_KNOWN = 10_000

_session: Callable[..., AuthorizedSession] = AuthorizedSession
_request: Callable[..., Request] = Request
_signing: Callable[..., service_account.Credentials] = service_account.Credentials
Untyped = Any
log = logging.getLogger(__name__)


class KeylessSigner(Signer):
    """
    Has IAM sign for a service account, by the method signBlob.

    It needs the role roles/iam.serviceAccountTokenCreator on that account, which an account does not have
    on itself unless it is given.
    """

    key_id = None

    def __init__(self, credentials: Credentials, email: str, endpoint: str, timeout: float) -> None:
        self._url = f"{endpoint}/v1/projects/-/serviceAccounts/{email}:signBlob"
        self._timeout = timeout
        self._session = _session(credentials, refresh_timeout=timeout)
        # Signing twice does no harm.
        again = Retry(
            total=2, backoff_factor=0.2, status_forcelist=[429, 500, 502, 503], allowed_methods=["POST"]
        )
        self._session.mount(endpoint, HTTPAdapter(max_retries=again))

    def sign(self, message: str | bytes) -> bytes:
        """Raises RequestException, GoogleAuthError. Blocks."""
        blob = message.encode() if isinstance(message, str) else message
        payload = {"payload": base64.b64encode(blob).decode()}
        answer = self._session.post(self._url, json=payload, timeout=self._timeout)
        answer.raise_for_status()
        return base64.b64decode(answer.json()["signedBlob"])

    def close(self) -> None:
        """Give the connection back."""
        close: Callable[[], None] = self._session.close
        close()


class SignedUrls:
    """Makes them, and hands one out again for the first half of its life."""

    def __init__(self, expires: int, signer: str, iam_endpoint: str, timeout: float) -> None:
        self._expires = expires
        self._email = signer
        self._endpoint = iam_endpoint
        self._timeout = timeout
        self._known: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._keyless: KeylessSigner | None = None
        self._lock = Lock()

    def known(self, name: str) -> str | None:
        """The URL that was made for it, if at least half of its life is left."""
        end, url = self._known.get(name, (0.0, None))
        return url if time.monotonic() < end else None

    def make(self, bucket: Untyped, credentials: Credentials, name: str) -> str:
        """Raises Unavailable, RequestException, GoogleAuthError. Blocks."""
        end = time.monotonic() + self._expires / 2
        life = timedelta(seconds=self._expires)
        signing = self._able_to_sign(credentials)
        url = str(bucket.blob(name).generate_signed_url(version="v4", expiration=life, credentials=signing))
        with self._lock:
            self._known[name] = end, url
            self._known.move_to_end(name)
            if len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
        return url

    def close(self) -> None:
        """Give the connection back."""
        if self._keyless:
            self._keyless.close()

    def _able_to_sign(self, credentials: Credentials) -> Credentials:
        if isinstance(credentials, Signing) and not self._email:
            return credentials
        email = self._email or self._own_email(credentials)
        with self._lock:
            self._keyless = self._keyless or KeylessSigner(credentials, email, self._endpoint, self._timeout)
        # No token is ever asked with these: they carry the signer and its name to the library.
        return _signing(signer=self._keyless, service_account_email=email, token_uri="")

    def _own_email(self, credentials: Credentials) -> str:
        """Who we are. The metadata server tells it with the first token; until then it is `default`."""
        if getattr(credentials, "service_account_email", "") == "default":
            refresh: Callable[[Request], None] = credentials.refresh
            refresh(_request())
        email = getattr(credentials, "service_account_email", "")
        if not email:
            log.error("these Google credentials name no service account: give gs://…?signer=EMAIL")
            raise Unavailable("Pictures cannot be signed.")
        return str(email)
