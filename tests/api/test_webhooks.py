"""Webhooks: only messages that are signed by the service, and new, are read."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles import BatchEvent, InvalidWebhookError, read_event
from batchfiles.api.batches import BATCH_EVENTS, verify

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four").decode()
NOW = 1_750_000_000
EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "batch.completed",
    "created_at": 1_749_999_990,
    "data": {"id": "batch_abc"},
}
BODY = json.dumps(EVENT).encode()


def signature(body: bytes, secret: str = SECRET, stamp: int = NOW, message_id: str = "wh_1") -> str:
    """Sign as standardwebhooks.com says."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.digest(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256)).decode()


def signed(body: bytes, stamp: int = NOW) -> dict[str, str]:
    """Make the headers of a message."""
    return {"webhook-id": "wh_1", "webhook-timestamp": str(stamp), "webhook-signature": signature(body, stamp=stamp)}


def test_a_message_of_the_service_is_read() -> None:
    """The case of the headers doesn't matter; unknown keys are kept."""
    headers = {name.title(): value for name, value in signed(BODY).items()}
    expected = BatchEvent(id="evt_1", type="batch.completed", created_at=1_749_999_990, batch_id="batch_abc")
    assert read_event(BODY, headers, SECRET, now=NOW) == expected
    more = json.dumps({**EVENT, "project": "p"}).encode()
    assert read_event(more, signed(more), SECRET, now=NOW).extra == {"project": "p"}


def test_the_signature_is_the_one_of_the_standard() -> None:
    """The example of standardwebhooks.com's own libraries."""
    verify(
        b'{"test": 2432232314}',
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        now=1614265330,
    )


@pytest.mark.parametrize("kind", BATCH_EVENTS)
def test_every_event_of_a_batch_is_read(kind: str) -> None:
    """And those to come."""
    for name in (kind, "batch.paused"):
        body = json.dumps({**EVENT, "type": name}).encode()
        assert read_event(body, signed(body), SECRET, now=NOW).type == name


@pytest.mark.parametrize("seconds", [-300, -1, 0, 299, 300])
def test_the_clocks_may_differ_by_five_minutes(seconds: int) -> None:
    """In both directions."""
    assert read_event(BODY, signed(BODY, NOW + seconds), SECRET, now=NOW).id == "evt_1"


@pytest.mark.parametrize("seconds", [-301, 301, -86_400])
def test_an_old_message_is_refused_although_its_signature_is_right(seconds: int) -> None:
    """It may be a replay; so is one from the future."""
    with pytest.raises(InvalidWebhookError, match="too old, or from the future"):
        read_event(BODY, signed(BODY, NOW + seconds), SECRET, now=NOW)
    assert read_event(BODY, signed(BODY, NOW + seconds), SECRET, now=NOW, tolerance=100_000).id == "evt_1"


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_a_message_of_which_one_byte_was_changed_is_refused(place: int, change: int) -> None:
    """Any byte, in any way."""
    changed = bytearray(BODY)
    changed[place] ^= change
    with pytest.raises(InvalidWebhookError, match="no signature fits"):
        read_event(bytes(changed), signed(BODY), SECRET, now=NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "wh_2"},
        {"webhook-id": "wh_\udc80"},
        {"webhook-timestamp": str(NOW + 1)},
        {"webhook-signature": signature(BODY, "whsec_" + base64.b64encode(b"another").decode())},
        {"webhook-signature": signature(BODY).replace("v1,", "v2,")},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,é"},
        {"webhook-signature": ""},
    ],
)
def test_a_signature_of_something_else_is_refused(changed: dict[str, str]) -> None:
    """Another id, another time, another secret, another version, none at all."""
    with pytest.raises(InvalidWebhookError, match="no signature fits"):
        read_event(BODY, {**signed(BODY), **changed}, SECRET, now=NOW)


def test_one_of_several_signatures_is_enough() -> None:
    """While a secret is being changed, each message is signed with both."""
    old = "whsec_" + base64.b64encode(b"the one before").decode()
    both = f"{signature(BODY, old)} v1a,ignored {signature(BODY)}"
    assert read_event(BODY, {**signed(BODY), "webhook-signature": both}, SECRET, now=NOW).batch_id == "batch_abc"


@pytest.mark.parametrize("stamp", ["", "soon", "-1", "1e9", "٣", "9" * 13])
def test_a_message_without_a_time_is_refused(stamp: str) -> None:
    """It could be repeated forever."""
    with pytest.raises(InvalidWebhookError, match="no webhook-timestamp"):
        read_event(BODY, {**signed(BODY), "webhook-timestamp": stamp}, SECRET, now=NOW)
    with pytest.raises(InvalidWebhookError, match="no webhook-id"):
        read_event(BODY, {}, SECRET, now=NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b"{}",
        b'{"type": "batch.failed", "id": "e"}',
        b'{"type": "batch.failed", "id": "e", "data": null}',
        b'{"type": "batch.failed", "id": 7, "data": {"id": "batch_1"}}',
        b'{"type": "response.completed", "id": "e", "data": {"id": "resp_1"}}',
    ],
)
def test_a_proved_message_that_is_not_a_batch_event_is_refused(body: bytes) -> None:
    """With the same exception, so that one `except` is enough."""
    with pytest.raises(InvalidWebhookError):
        read_event(body, signed(body), SECRET, now=NOW)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!", "not base64"])
def test_an_invalid_secret_is_a_mistake_of_the_caller(secret: str) -> None:
    """It must not pass for a wrong signature; the secret is not shown."""
    with pytest.raises(ValueError, match="a webhook's secret is whsec_ and base64"):
        read_event(BODY, signed(BODY), secret, now=NOW)


@pytest.mark.parametrize("length", [22, 23, 24, 25, 26])
def test_a_secret_that_lost_its_padding_is_taken(length: int) -> None:
    """Copied without its `=`, in the alphabet for addresses, or with a line end: the libraries of the standard take it too."""
    key = bytes(range(240, 240 + 16)) * 2
    secret = base64.b64encode(key[:length]).decode()
    headers = {**signed(BODY), "webhook-signature": signature(BODY, secret)}
    for form in (secret, secret.rstrip("="), secret.rstrip("=").translate(str.maketrans("+/", "-_")), f"{secret}\n"):
        assert read_event(BODY, headers, f"whsec_{form}", now=NOW).id == "evt_1"
        assert read_event(BODY, headers, form, now=NOW).id == "evt_1"
    with pytest.raises(ValueError, match="secret"):
        read_event(BODY, headers, "whsec_not base64!", now=NOW)


def test_an_event_is_written_as_it_was_posted() -> None:
    """With the keys that the specification doesn't name."""
    event = BatchEvent(id="evt_1", type="batch.completed", created_at=1_760_000_000, batch_id="batch_1", extra={"livemode": True})
    assert event.to_dict() == {
        "id": "evt_1",
        "object": "event",
        "type": "batch.completed",
        "created_at": 1_760_000_000,
        "data": {"id": "batch_1"},
        "livemode": True,
    }
