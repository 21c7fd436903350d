"""Signatures: the published example, and receivers' own libraries that verify them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from owncast_py.notifications.signing import SECRET_OCTETS, new_secret, signature_header

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
BODY = b'{"test": 2432232314}'
OTHER = "whsec_" + base64.b64encode(b"another secret of many octets").decode()


def test_the_published_example() -> None:
    assert signature_header([SECRET], ID, 1614265330, BODY) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_prefix_of_a_secret_is_not_part_of_its_key() -> None:
    bare = SECRET.removeprefix("whsec_")
    assert signature_header([bare], ID, 1, BODY) == signature_header([SECRET], ID, 1, BODY)


def test_secrets_are_new_and_long() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    for secret in made:
        assert secret.startswith("whsec_")
        assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == SECRET_OCTETS


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Z"])), st.text(min_size=1))
def test_receivers_verify_it_with_either_of_two_secrets(text: str, name: str) -> None:
    now = datetime.now(UTC)
    body = text.encode()
    headers = {
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature_header([SECRET, OTHER], name, int(now.timestamp()), body),
    }
    for secret in (SECRET, OTHER):
        Webhook(secret).verify(body, headers, json_parse=False)
    for changed in ({"webhook-id": name + "x"}, {"webhook-timestamp": str(int(now.timestamp()) - 1)}):
        with pytest.raises(WebhookVerificationError, match="No matching signature"):
            Webhook(SECRET).verify(body, headers | changed, json_parse=False)
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(SECRET).verify(body + b" ", headers, json_parse=False)
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(new_secret()).verify(body, headers, json_parse=False)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_no base64", "whsec_abc", "whsec_ä"])
def test_what_is_no_secret_signs_nothing_and_is_not_shown(secret: str) -> None:
    with pytest.raises(ValueError, match="this one is not") as caught:
        signature_header([SECRET, secret], ID, 1, BODY)
    assert "no base64" not in str(caught.value)
