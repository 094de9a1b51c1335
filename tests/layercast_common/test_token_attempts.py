import pytest

from layercast_common import token_attempts
from layercast_common.token_attempts import MAX_TRIES, TRIES_SECONDS, WAIT_SECONDS, TokenAttempts


def test_an_address_that_guesses_waits_for_a_time() -> None:
    now = 0.0
    attempts = TokenAttempts(lambda: now)
    for _ in range(MAX_TRIES):
        assert attempts.wait_seconds("192.0.2.1") == 0.0
        attempts.record_failure("192.0.2.1")
    assert attempts.wait_seconds("192.0.2.1") == attempts.wait_seconds("::ffff:192.0.2.1") == WAIT_SECONDS
    assert attempts.wait_seconds("192.0.2.2") == 0.0
    now = TRIES_SECONDS
    assert attempts.wait_seconds("192.0.2.1") == 0.0


def test_the_number_of_remembered_addresses_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_attempts, "MAX_ADDRESSES", 2)
    attempts = TokenAttempts()
    for address in map(str, range(100)):
        attempts.record_failure(address)
    assert len(attempts._tries) == 2
