"""Whatever happens to a sender, a receiver and their link, in whatever order: nothing is lost, doubled or endless.

    python -m tests.protocol.scenarios.test_state_machine --runs 2000

Hypothesis chooses what happens; the command does it more often than the tests have time for.
"""

import argparse
import random
import sys
import time

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from protocol.link_profiles import LINKS, LinkProfile
from protocol.sending.pictures.fragmentation import OutgoingSection
from protocol.wire.limits import Limits
from tests.support.simulation import World

#: How long everything may take once the link is well again, in seconds.
PATIENCE = 4 * 3600.0

SMALL = Limits(open_pictures=3, peer_bytes=16 * 1024, early_packets=8, remembered=16)

sections = st.builds(
    lambda seed, size, urgency, layer, incremental, lifetime: OutgoingSection(
        layer=layer,
        coder=layer,
        payload=random.Random(seed).randbytes(size),
        urgency=urgency,
        incremental=incremental,
        lifetime=lifetime,
    ),
    seed=st.integers(0, 1000),
    size=st.sampled_from([0, 1, 40, 250, 1200, 3000]),
    urgency=st.integers(0, 7),
    layer=st.integers(0, 3),
    incremental=st.booleans(),
    lifetime=st.sampled_from([float("inf"), float("inf"), 20.0]),
)


class Machine(RuleBasedStateMachine):
    """What may happen, and what must hold whenever it did."""

    world: World

    @initialize(
        link=st.sampled_from([LINKS["gsm"], LINKS["nb-iot"], LINKS["lora-sf9"], LinkProfile(name="x", rate=0.0)]),
        seed=st.integers(0, 2**32),
        duplicate=st.sampled_from([0.0, 0.2]),
        jitter=st.sampled_from([0.0, 0.3]),
        limits=st.sampled_from([Limits(), SMALL]),
    )
    def begin(self, link: LinkProfile, seed: int, duplicate: float, jitter: float, limits: Limits) -> None:
        self.world = World(link, seed=seed, duplicate=duplicate, jitter=jitter, limits=limits)

    @precondition(lambda self: len(self.world.book) < 12)
    @rule(picture=st.lists(sections, min_size=1, max_size=4))
    def accept(self, picture: list[OutgoingSection]) -> None:
        self.world.accept(tuple(picture))

    @precondition(lambda self: self.world.unfinished)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.world.cancel(data.draw(st.sampled_from(self.world.unfinished)))

    @rule(seconds=st.sampled_from([0.0, 0.2, 1.0, 5.0, 30.0, 200.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.run(seconds)

    @rule(loss=st.sampled_from([0.0, 0.05, 0.3, 0.6]))
    def weather(self, loss: float) -> None:
        self.world.set_loss(loss)

    @rule(seconds=st.sampled_from([2.0, 70.0, 150.0]))
    def darkness(self, seconds: float) -> None:
        self.world.dark_until = self.world.now + seconds

    @rule()
    def cut(self) -> None:
        self.world.cut()

    @rule()
    def restart_sender(self) -> None:
        self.world.restart_sender()

    @rule()
    def restart_receiver(self) -> None:
        self.world.restart_receiver()

    @precondition(lambda self: self.world.listening)
    @rule(urgency=st.integers(0, 7), image=st.integers(0, 12), layer=st.sampled_from([None, 0, 1, 3]))
    def prioritise(self, urgency: int, image: int, layer: int | None) -> None:
        assert self.world.receiver is not None
        self.world.receiver.prioritise(urgency, picture_id=image, layer=layer)

    @precondition(lambda self: self.world.listening)
    @rule(image=st.integers(0, 12), wanted=st.lists(st.integers(0, 3), max_size=2, unique=True))
    def want(self, image: int, wanted: list[int]) -> None:
        assert self.world.receiver is not None
        self.world.receiver.request_sections(image, wanted)

    @precondition(lambda self: self.world.listening and self.world.shelf.parts)
    @rule(data=st.data(), layer=st.integers(0, 3))
    def decline(self, data: st.DataObject, layer: int) -> None:
        self.world.decline(data.draw(st.sampled_from(sorted(self.world.shelf.parts))), layer)

    @invariant()
    def nothing_is_held_without_bound(self) -> None:
        if hasattr(self, "world"):
            self.world.check()

    def teardown(self) -> None:
        """The link gets well; then everything ends, and every picture is whole or was given up for a reason."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.set_loss(0.0)
        world.dark_until = 0.0
        until = world.now + PATIENCE
        while world.unfinished and world.now < until:
            world.run(60.0)
            world.check()
        assert world.unfinished == []
        for number, picture in world.book.items():
            if picture.outcome == "delivered":
                expected = {
                    index: one.payload
                    for index, one in enumerate(picture.sections)
                    if index not in world.shelf.dropped[number]
                }
                assert expected.items() <= world.shelf.whole[number].items()
        world.run(3600.0)
        assert world.sender.statistics.bytes_in_flight == 0
        # What a sender began, and was started again, and forgot, is held until it leaves.
        assert all(world.book[number].outcome == "cancelled" for number in world.shelf.parts)
        world.leave()
        assert world.shelf.parts == {}


def check(runs: int, steps: int) -> None:
    """So many runs of so many steps at most."""
    chosen = settings(
        max_examples=runs,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    run_state_machine_as_test(Machine, settings=chosen)


def test_whatever_happens() -> None:
    check(runs=40, steps=20)


def test_a_restarted_receiver_hears_again_what_was_given_up() -> None:
    world = World(LINKS["lora-sf9"], seed=0, duplicate=0.0, jitter=0.0, limits=Limits())
    late = OutgoingSection(layer=1, coder=1, payload=bytes(3000), urgency=1, lifetime=1.0)
    number = world.accept((OutgoingSection(layer=0, coder=0, payload=bytes(1200), urgency=0), late))
    world.set_loss(0.6)
    world.run(200.0)
    assert world.unfinished == [number]
    world.set_loss(0.0)
    world.restart_receiver()
    world.run(600.0)
    assert world.book[number].outcome == "delivered"
    assert set(world.shelf.whole[number]) == {0}


def main() -> int:
    """Run the command; what should not happen is shown, as short as it can be made."""
    parser = argparse.ArgumentParser(prog="python -m tests.protocol.scenarios.test_state_machine", description=__doc__)
    parser.add_argument("--runs", type=int, default=2000, help="how often to begin anew (2000)")
    parser.add_argument("--steps", type=int, default=40, help="things that happen in a run, at most (40)")
    options = parser.parse_args()
    began = time.perf_counter()
    check(options.runs, options.steps)
    sys.stdout.write(f"{options.runs} runs in {time.perf_counter() - began:.0f} s: everything held\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
