import numpy as np

from codec.layers import Skeleton
from receiver.rendering.sampling.poses import draw_pose


def test_points_and_limbs_are_drawn_where_they_are(skeleton: Skeleton) -> None:
    drawn = draw_pose(skeleton, (128, 128))
    assert drawn.shape == (128, 128, 3)
    assert drawn.dtype == np.uint8
    nose = skeleton.people[0][0]
    assert nose is not None
    assert drawn[int(nose[1] * 2), int(nose[0] * 2)].tolist() == [255, 0, 0]


def test_unseen_points_take_their_limbs_with_them(skeleton: Skeleton) -> None:
    nobody = Skeleton(((None,) * 18,), skeleton.canvas)
    assert not draw_pose(nobody, (64, 64)).any()
    alone = Skeleton((((32.0, 32.0), *(None,) * 17),), skeleton.canvas)
    assert 1 <= (draw_pose(alone, (64, 64)).max(axis=2) > 0).sum() < 10


def test_points_outside_the_canvas_do_no_harm() -> None:
    wild = Skeleton((tuple((1e6 * (-1) ** point, -1e6) for point in range(18)),), (64, 64))
    assert draw_pose(wild, (64, 64)).shape == (64, 64, 3)
