"""Who may deliver: signatures over raw bytes, secrets in headers, two active secrets."""

import base64
import hashlib
import hmac

import pytest

from sources import TABLE, Unauthorized

BODY = '{"text": "caf\\u00e9 ü"}'.encode()
OLD, NEW = "old-secret-0123456789", "new-secret-9876543210"
BOTH = {"secrets": [OLD, NEW]}


def hexmac(secret: str, body: bytes = BODY) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


SIGNED = {
    "sentry": ("Sentry-Hook-Signature", ""),
    "github": ("X-Hub-Signature-256", "sha256="),
    "datadog": ("X-Datadog-Signature", ""),
}


@pytest.mark.parametrize("source", sorted(SIGNED))
@pytest.mark.parametrize("secret", [OLD, NEW])
def test_both_active_secrets_verify_whatever_the_headers_case(source: str, secret: str) -> None:
    name, prefix = SIGNED[source]
    TABLE[source].verify({name.lower(): prefix + hexmac(secret)}, BODY, BOTH)


@pytest.mark.parametrize("source", sorted(SIGNED))
def test_a_flipped_bit_a_reencoded_body_and_a_wrong_secret_are_refused(source: str) -> None:
    name, prefix = SIGNED[source]
    good = prefix + hexmac(OLD)
    flipped = bytes([BODY[0] ^ 1]) + BODY[1:]
    for body, value in [
        (flipped, good),
        (BODY.replace(b"\\u00e9", "é".encode()), good),
        (BODY, prefix + hexmac("other")),
        (BODY, prefix + "é"),
        (BODY, prefix),
        (BODY, "sha1=" + "0" * 40),
    ]:
        with pytest.raises(Unauthorized):
            TABLE[source].verify({name: value}, body, BOTH)


@pytest.mark.parametrize("source", sorted(TABLE))
def test_a_missing_proof_is_refused_when_a_secret_is_set(source: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        TABLE[source].verify({}, BODY, BOTH)
    assert OLD not in caught.value.reason


@pytest.mark.parametrize("source", ["splunk", "github"])
def test_splunk_and_github_accept_nothing_until_a_secret_is_set(source: str) -> None:
    for settings in ({}, {"secrets": []}, {"secrets": [""]}, {"secrets": None}):
        with pytest.raises(Unauthorized, match="set one"):
            TABLE[source].verify({"X-Splunk-Token": "", "X-Hub-Signature-256": "sha256="}, BODY, settings)


@pytest.mark.parametrize("source", ["sentry", "datadog", "posthog", "reddit", "manual"])
def test_other_sources_pass_when_no_secret_is_set(source: str) -> None:
    TABLE[source].verify({}, BODY, {})


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("splunk", "X-Splunk-Token"),
        ("datadog", "X-Soulcaster-Secret"),
        ("posthog", "X-PostHog-Secret"),
        ("reddit", "x-soulcaster-secret"),
    ],
)
def test_a_secret_header_verifies_and_a_wrong_one_does_not(source: str, name: str) -> None:
    TABLE[source].verify({name: NEW}, BODY, BOTH)
    for wrong in (NEW + "x", NEW[:-1], "", "ü", "\ud800"):
        with pytest.raises(Unauthorized):
            TABLE[source].verify({name: wrong}, BODY, BOTH)


def test_a_header_sent_twice_is_refused() -> None:
    with pytest.raises(Unauthorized, match="more than once"):
        TABLE["sentry"].verify({"Sentry-Hook-Signature": hexmac(OLD), "sentry-hook-signature": "x"}, BODY, BOTH)


def test_splunk_observability_signs_with_base64_of_sha256_or_sha1_as_set() -> None:
    for digest, settings in ((hashlib.sha256, BOTH), (hashlib.sha1, {**BOTH, "sfx_digest": "sha1"})):
        value = base64.b64encode(hmac.new(NEW.encode(), BODY, digest).digest()).decode()
        TABLE["splunk"].verify({"X-SFX-Signature": value}, BODY, settings)
        with pytest.raises(Unauthorized):
            TABLE["splunk"].verify({"X-SFX-Signature": value}, BODY + b" ", settings)


def test_github_refuses_the_sha1_header_alone() -> None:
    with pytest.raises(Unauthorized, match="X-Hub-Signature-256"):
        TABLE["github"].verify({"X-Hub-Signature": "sha1=abc"}, BODY, BOTH)
