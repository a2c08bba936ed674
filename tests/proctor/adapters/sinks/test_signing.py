"""Signatures as Standard Webhooks has them: its own vector, its own library, and five lines of ours."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from proctor.adapters.sinks.signing import sign
from proctor.domain.sinks import SinkSecret
from proctor.services.sink_secrets import new_secret, shown


def test_the_vector_of_the_standard() -> None:
    """From the specification's reference libraries (libraries/*/test: MfKQ9r8G...)."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = sign([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_five_independent_lines_agree() -> None:
    key, body = b"k" * 32, b'{"a":1}'
    mac = hmac.new(key, digestmod=hashlib.sha256)
    mac.update(b"alr_1.1700000000.")
    mac.update(body)
    assert sign([key], "alr_1", 1700000000, body) == "v1," + base64.b64encode(mac.digest()).decode()


def test_a_receiver_with_any_live_secret_takes_it_and_one_with_another_does_not() -> None:
    old, new, strange = new_secret(), new_secret(), new_secret()
    now_s, body = int(datetime.now(UTC).timestamp()), '{"title":"Regard détourné"}'
    headers = {
        "webhook-id": "alr_1",
        "webhook-timestamp": str(now_s),
        "webhook-signature": sign([new.key, old.key], "alr_1", now_s, body.encode()),
    }
    for secret in (old, new):
        assert Webhook(shown(secret)).verify(body, headers) == {"title": "Regard détourné"}
    with pytest.raises(WebhookVerificationError):
        Webhook(shown(strange)).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(shown(new)).verify(body.replace("é", "e"), headers)


def test_a_secret_is_nowhere_in_what_is_printed() -> None:
    secret = SinkSecret(key=b"very secret bytes")
    assert "secret bytes" not in repr(secret) + str(secret)
