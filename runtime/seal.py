"""Sealing of small secrets with AES-256-GCM (NIST SP 800-38D): nonce (12 bytes) + ciphertext + tag."""

import base64
import binascii
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class SealError(Exception):
    """The key does not fit, or the sealed bytes were changed or sealed for something else."""


def new_key() -> str:
    """A random key as the text that SOULCASTER_SECRET_KEY wants."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


class Sealer:
    """``aad`` names what a secret belongs to (a job id): sealed bytes moved to another name do not open."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise SealError(f"a sealing key has {KEY_BYTES} bytes, this one has {len(key)}")
        self._cipher = AESGCM(key)

    @classmethod
    def from_text(cls, text: str) -> "Sealer":
        """From base64 as in SOULCASTER_SECRET_KEY; raises SealError without repeating the text."""
        try:
            key = base64.b64decode(text.strip(), validate=True)
        except (binascii.Error, ValueError) as error:
            raise SealError("SOULCASTER_SECRET_KEY is not base64; make one with `openssl rand -base64 32`") from error
        return cls(key)

    def seal(self, secret: bytes, aad: str) -> bytes:
        """Encrypt and authenticate."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, aad.encode())

    def open(self, sealed: bytes, aad: str) -> bytes:
        """Decrypt; raises SealError when key, ``aad`` or bytes differ from those of ``seal``."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], aad.encode())
        except (InvalidTag, ValueError) as error:
            raise SealError("the secret cannot be opened: wrong key, or it was sealed for something else") from error
