"""Certificates that a person put into files, to check signatures with. The package cryptography reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grouping.config import BadConfig

CERTIFICATES_MAX = 1 << 20  # bytes of a file that holds them


@dataclass(frozen=True, slots=True)
class Pinned:
    """One certificate."""

    name: str  # of its file
    begins: float  # s since the epoch
    ends: float
    _key: Any = field(repr=False, compare=False)  # the RSA public key

    def valid(self, now: float) -> bool:
        """Whether it may be used at a time."""
        return self.begins <= now <= self.ends

    def signed(self, said: bytes, signature: bytes, *, sha1: bool) -> bool:
        """Whether a signature, RSA with PKCS #1 v1.5, over SHA-1 or SHA-256, is of this certificate."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 — an extra: those who pin nothing need it not
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
        from cryptography.hazmat.primitives.hashes import SHA1, SHA256  # noqa: PLC0415

        try:
            self._key.verify(signature, said, PKCS1v15(), SHA1() if sha1 else SHA256())  # noqa: S303 — SNS's default
        except InvalidSignature:
            return False
        return True


def pinned(path: str, place: str) -> tuple[Pinned, ...]:
    """The certificates of a PEM file. Raises BadConfig."""
    try:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415 — as above
        from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415
    except ImportError:
        raise BadConfig(f"{place}: needs the package cryptography; pip install '.[sns]'") from None
    try:
        with Path(path).open("rb") as file:
            found = load_pem_x509_certificates(file.read(CERTIFICATES_MAX))
        keys = [one.public_key() for one in found]
    except (OSError, ValueError) as error:
        raise BadConfig(f"{place}: {path}: {error}; give a PEM file that can be read") from None
    if not all(isinstance(key, RSAPublicKey) for key in keys):
        raise BadConfig(f"{place}: {path}: expected RSA, as SNS signs; fetch the certificate of SigningCertURL")
    return tuple(
        Pinned(Path(path).name, one.not_valid_before_utc.timestamp(), one.not_valid_after_utc.timestamp(), key)
        for one, key in zip(found, keys, strict=True)
    )
