"""codec.structure.derived: lines of decoded planes come near those of the picture."""

from codec.coders.planes.payload import decode_planes, encode_planes, to_coefficients
from codec.structure.contours import find_contours, line_f1
from codec.structure.derived import MAX_SIDE, derive_lines
from tests.support.pictures import draw_picture


def test_lines_follow_the_picture() -> None:
    picture = draw_picture()
    lines = find_contours(picture)[1]
    agreement, sides = [], []
    for size in (400, 1500, 6000):
        plane = decode_planes(encode_planes(to_coefficients(picture), (512, 512), [size]), (512, 512))
        derived = derive_lines(plane)
        assert derived is not None
        sides.append(max(derived.grid.shape))
        agreement.append(line_f1(derived.to_image(), lines, 3))
    assert min(agreement) > 0.5
    assert agreement[-1] > 0.7
    assert sides == sorted(sides)
    assert sides[-1] <= MAX_SIDE


def test_texture_alone_has_no_lines() -> None:
    plane = decode_planes(encode_planes(to_coefficients(draw_picture()), (512, 512), [2000]), (512, 512))
    assert derive_lines(plane.without_detail()) is None
