"""What makes a picture's first frame come sooner."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

import pytest

from codec.layers import Layer, Priors, Semantic
from receiver.rendering.engine.engine import Engine
from receiver.rendering.engine.jobs.job import start_job
from receiver.rendering.frames import Frame
from receiver.rendering.models.model import Model
from receiver.rendering.sampling.conditioning import Conditioner
from receiver.rendering.sampling.passes import advance
from receiver.rendering.settings.settings import flow_settings
from receiver.rendering.start import warm_up

#: Longest wait for a result, in seconds: reached only if the engine hangs.
PATIENCE = 120


@pytest.mark.parametrize(("small_first", "sides"), [(True, [1, 2, 2]), (False, [2, 2, 2])])
def test_only_the_first_preview_is_decoded_at_half_the_size(
    mini: Model, priors: Priors, *, small_first: bool, sides: list[int]
) -> None:
    model = replace(mini, settings=replace(mini.settings, small_first=small_first))
    job = start_job(model, Conditioner(model), priors, seed=1, steps=None, clock=time.monotonic)
    assert job.run is not None
    drafts = []
    while not job.run.finished:
        advance(model, [job.run])
        drafts.append(job.draft_frame())
    shown = [draft for draft in drafts if draft is not None]
    latents = [draft.latents.shape[-1] for draft in shown if draft.latents is not None]
    assert [2 * side // job.run.shape[-2] for side in latents] == sides
    assert [draft.draw(model).image.size for draft in shown] == [priors.canvas] * 3


def test_a_run_of_one_step_is_decoded_whole(mini: Model, priors: Priors) -> None:
    model = replace(mini, settings=replace(mini.settings, small_first=True))
    job = start_job(model, Conditioner(model), priors, seed=1, steps=1, clock=time.monotonic)
    assert job.run is not None
    advance(model, [job.run])
    draft = job.draft_frame()
    assert draft is not None
    assert draft.latents is not None
    assert draft.latents.shape[-1] == job.run.shape[-2]


def test_the_embedded_model_shows_a_small_first_frame() -> None:
    assert flow_settings(256).small_first


@pytest.mark.parametrize(("threads", "order"), [(0, ["a2", "b2", "b4", "a8", "b8"]), (1, None)])
def test_a_picture_that_came_during_a_pass_waits_for_no_preview_of_another(
    mini: Model, priors: Priors, threads: int, order: list[str] | None
) -> None:
    shown: list[str] = []
    futures: list[Future[Frame]] = []
    passes = 0

    def note(name: str) -> Callable[[Frame], None]:
        return lambda frame: shown.append(f"{name}{frame.step}")

    def before_pass(*_: object) -> None:
        nonlocal passes
        passes += 1
        if passes == 4:
            futures.append(engine.submit("b", priors, 2, note("b")))

    hook = mini.unet.register_forward_pre_hook(before_pass)
    try:
        with Engine(mini, batch=1, finishers=threads) as engine:
            engine.submit("a", priors, 1, note("a")).result(PATIENCE)
            futures[0].result(PATIENCE)
    finally:
        hook.remove()
    assert shown == order if order else {"a2", "a8", "b2", "b8"} <= set(shown)


def test_warming_up_draws_a_prompt_and_bit_planes(mini: Model) -> None:
    seen: list[tuple[frozenset[Layer], int | None]] = []

    class Watched(Engine):
        def submit(
            self,
            key: object,
            priors: Priors,
            seed: int,
            on_frame: Callable[[Frame], None],
            steps: int | None = None,
            **options: object,
        ) -> Future[Frame]:
            seen.append((priors.layers, steps))
            return super().submit(key, priors, seed, on_frame, steps)

    with Watched(mini) as engine:
        warm_up(engine, 20)
        assert engine.counters.finished == 2
        # Nothing of it is left when the first picture comes.
        assert engine.pictures == 0
    # Not all steps: a full-size model on a CPU needs minutes for them.
    assert (frozenset({Layer.SEMANTIC}), 2) in seen
    assert any(Layer.TEXTURE in layers for layers, _ in seen)


def test_a_prompt_alone_retrieves_to_warm_up() -> None:
    from receiver.rendering.model_files.registry import MINI_FOLDER
    from receiver.rendering.retrieval import RetrievalIndex
    from receiver.rendering.start import WARM_UP_PROMPT

    index = RetrievalIndex.load(MINI_FOLDER / "memory")
    assert index.find(Semantic(WARM_UP_PROMPT), 0) is not None
