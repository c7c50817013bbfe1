from __future__ import annotations

import json

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus, InvalidURI
from websockets.http11 import Response

from stream_ser.client.reconnect import MAX_RETRY_DELAY_S, MIN_RETRY_DELAY_S, ClientError, Reconnection
from stream_ser.protocol import SpeechStart, Subscribe

pytestmark = pytest.mark.unit

URL = "ws://studio:8765/"
SPEECH = '{"type":"speech_start","start":1.0}'


def reconnection(*, token: str | None = None, subscription: Subscribe | None = None, reconnect: bool = True) -> Reconnection:
    return Reconnection(URL, token, subscription, None, reconnect=reconnect)


def status_error(status: int) -> InvalidStatus:
    return InvalidStatus(Response(status, "", Headers()))


def test_delays_double_up_to_a_limit_until_a_message_comes() -> None:
    state = reconnection()
    delays = [state.on_connect_error(ConnectionRefusedError()) for _ in range(7)]
    assert delays == [MIN_RETRY_DELAY_S * factor for factor in (1, 2, 4, 8, 16)] + [MAX_RETRY_DELAY_S] * 2
    assert state.on_message(SPEECH) == SpeechStart(start=1.0)
    assert state.on_connect_error(status_error(503)) == MIN_RETRY_DELAY_S


@pytest.mark.parametrize("error", [status_error(401), status_error(403), status_error(404), InvalidURI(URL, "no host")])
def test_what_another_attempt_would_get_again_is_final(error: Exception) -> None:
    with pytest.raises(ClientError, match=r"cannot follow ws://studio:8765/: .*; is stream-ser listen running there\?"):
        reconnection().on_connect_error(error)


def test_without_reconnecting_every_failure_is_final() -> None:
    state = reconnection(reconnect=False)
    with pytest.raises(ClientError, match="cannot follow"):
        state.on_connect_error(ConnectionRefusedError())
    with pytest.raises(ClientError, match="broke off: reset"):
        state.on_disconnect(ConnectionResetError("reset"))
    assert state.on_disconnect(None) is None


def test_a_connection_that_ends_is_made_again_unless_the_user_closed_it() -> None:
    state = reconnection()
    for error in (None, ConnectionResetError("reset")):
        assert state.on_disconnect(error) == MIN_RETRY_DELAY_S
    state.close()
    assert state.on_disconnect(ConnectionResetError("reset")) is None


def test_the_latest_subscription_is_sent_on_each_connection() -> None:
    assert reconnection().request is None
    state = reconnection(subscription=Subscribe(only_final=True))
    assert json.loads(state.request or "") == {"type": "subscribe", "min_confidence": 0.0, "only_final": True}
    text = state.subscribe(Subscribe(types=frozenset({"status"})))
    assert state.request == text
    assert json.loads(text)["types"] == ["status"]


def test_the_token_is_sent_as_bearer() -> None:
    assert reconnection(token="abc").options["additional_headers"] == {"Authorization": "Bearer abc"}
    assert "additional_headers" not in reconnection().options
