"""Updates: callbacks of the application, and subscriptions."""

from pathlib import Path

import pytest

from layercast_common.errors import OutboxError
from sender.connection.options import SenderIdentity
from sender.connection.sender import Sender
from sender.outbox.entries import EntryState, OutboxEntry
from sender.outbox.outbox import Outbox
from sender.outbox.relay import OutboxRelay
from sender.outbox.updates import Update, Updates
from tests.sender.outbox.test_relay import receiving, stream


def entry(picture_id: int = 1, state: EntryState = EntryState.QUEUED) -> OutboxEntry:
    return OutboxEntry(
        picture_id=picture_id,
        name="cat",
        state=state,
        size=10,
        jpeg_size=0,
        attempts=0,
        reason=None,
        accepted_at=0.0,
        changed_at=0.0,
        expires_at=None,
    )


async def test_an_error_in_on_update_is_logged_and_subscribers_still_get_the_update(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def on_update(update: Update) -> None:
        raise ValueError("mine")

    updates = Updates(on_update)
    subscription = updates.subscribe(1, entry)
    assert (await anext(subscription)).entry.state is EntryState.QUEUED
    updates.publish(entry(state=EntryState.DELIVERED))
    assert [update.entry.state async for update in subscription] == [EntryState.DELIVERED]
    assert updates.subscribers == 0
    assert "picture 1: the application's callback failed" in caplog.text
    assert "ValueError: mine" in caplog.text


async def test_a_failing_on_update_does_not_stop_the_relay(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def on_update(update: Update) -> None:
        raise ValueError("mine")

    async with receiving([]) as url:
        with Outbox(tmp_path / "outbox") as outbox:
            relay = OutboxRelay(outbox, lambda identity: Sender(url, identity=identity), on_update=on_update)
            await relay.post(stream())
            await relay.run(until_empty=True)
            assert [one.state for one in outbox.entries()] == ["delivered"]
    assert "picture 1: the application's callback failed" in caplog.text


@pytest.mark.parametrize("method", ["begin", "finish", "load", "queued"])
async def test_an_outbox_that_fails_ends_the_relay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def fail(*arguments: object) -> None:
        raise OutboxError("the disk is gone")

    def connect(identity: SenderIdentity) -> Sender:
        # Only once the relay runs, so that `queued` fails inside the session, too.
        monkeypatch.setattr(outbox, method, fail)
        return Sender(url, identity=identity)

    async with receiving([]) as url:
        with Outbox(tmp_path / "outbox") as outbox:
            if method == "load":
                monkeypatch.setattr(outbox, "requeue", fail)
            relay = OutboxRelay(outbox, connect)
            await relay.post(stream())
            with pytest.raises(OutboxError, match="the disk is gone"):
                await relay.run(until_empty=True)
            assert relay.sender is None
