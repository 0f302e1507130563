"""Sealed secrets open only with their key, for their owner, unchanged."""

import base64

import pytest

from runtime.seal import Sealer, SealError, new_key


def test_a_sealed_secret_opens_for_its_owner() -> None:
    sealer = Sealer.from_text(new_key())
    sealed = sealer.seal(b"ghp_token", "job1")
    assert b"ghp_token" not in sealed
    assert sealer.open(sealed, "job1") == b"ghp_token"
    assert sealer.seal(b"ghp_token", "job1") != sealed


@pytest.mark.parametrize("change", ["owner", "key", "byte", "cut"])
def test_anything_else_is_refused(change: str) -> None:
    sealer, other = Sealer.from_text(new_key()), Sealer.from_text(new_key())
    sealed = sealer.seal(b"ghp_token", "job1")
    opener = other if change == "key" else sealer
    if change == "byte":
        sealed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    if change == "cut":
        sealed = sealed[:8]
    with pytest.raises(SealError):
        opener.open(sealed, "job2" if change == "owner" else "job1")


@pytest.mark.parametrize("text", ["", "not base64!", base64.b64encode(b"short").decode()])
def test_a_key_that_does_not_fit_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(SealError) as raised:
        Sealer.from_text(text)
    assert not text or text not in str(raised.value)
