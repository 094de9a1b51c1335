"""codec.editing: an edit changes its layers and no byte of the others."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from codec import editing
from codec.canvas import fit_to_canvas
from codec.coders.colors.payload import STEP, decode_colors, encode_colors
from codec.coders.edges.payload import encode_edges, halve
from codec.coders.skeleton import encode_skeleton
from codec.coders.text.payload import MAX_TEXT, encode_text
from codec.container.bitstream import Bitstream, Coder, Header, Section
from codec.editing.erasing import inpaint
from codec.editing.regions import coverage
from codec.editing.transfer import _fit_edges, _fit_skeleton
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from codec.layers import ColorMap, EdgeMap, Layer, Semantic, Size, Skeleton
from codec.structure.contours import find_contours, line_f1
from layercast_common.errors import PictureError, StorageError, UsageError
from tests.codec.coders.test_skeleton import STANDING
from tests.support.pictures import draw_edges, draw_picture

PROMPT = "a red fox in snow, a red cap, redwood behind"
CANVAS = (512, 512)

#: Largest error of the colour coder in a channel, of 255.
TOLERANCE = 40

TEXT = Section(Layer.SEMANTIC, Coder.TEXT, encode_text(Semantic(PROMPT)))
PEOPLE = Section(Layer.STRUCTURE, Coder.SKELETON, encode_skeleton(Skeleton((STANDING,), CANVAS)))
DETAIL = Section(Layer.DETAIL, 9, b"codes")
LATER = Section(6, 0, b"unknown")
NEW_COLORS = Section(Layer.TEXTURE, 11, b"finer colours")


def stream_of(*sections: Section) -> Bitstream:
    return Bitstream(Header(*CANVAS, 7), sections)


def edges_section(edges: EdgeMap) -> Section:
    return Section(Layer.STRUCTURE, Coder.EDGES, encode_edges(edges))


def colors_section(colors: NDArray[np.uint8], step: int = STEP) -> Section:
    return Section(Layer.TEXTURE, Coder.COLORS, encode_colors(ColorMap(colors, CANVAS), step))


EDGES = edges_section(draw_edges(96))
COLORS = colors_section(np.asarray(cv2.resize(draw_picture(), (8, 8), interpolation=cv2.INTER_AREA), np.uint8))
STREAM = stream_of(TEXT, EDGES, COLORS)


def colors_of(stream: Bitstream) -> NDArray[np.int32]:
    texture = stream.decode().texture
    assert texture is not None
    return texture.colors.astype(np.int32)


def lines_of(stream: Bitstream) -> NDArray[np.bool_]:
    structure = stream.decode().structure
    assert isinstance(structure, EdgeMap)
    return structure.grid


def prompt_of(stream: Bitstream) -> str:
    semantic = stream.decode().semantic
    assert semantic is not None
    return semantic.prompt


def test_replacing_the_prompt_changes_nothing_else() -> None:
    edited = editing.replace_prompt(STREAM, "eine Füchsin 狐狸")
    assert prompt_of(edited) == "eine Füchsin 狐狸"
    assert edited.header == STREAM.header
    assert all(new is old for new, old in zip(edited.sections[1:], STREAM.sections[1:], strict=True))
    assert Bitstream.from_bytes(edited.to_bytes()) == edited


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("red fox", "grey wolf", "a grey wolf in snow, a red cap, redwood behind"),
        ("red", "blue", "a blue fox in snow, a blue cap, redwood behind"),
        ("RED FOX", r"\1 wolf", r"a \1 wolf in snow, a red cap, redwood behind"),
        ("edwoo", "__", "a red fox in snow, a red cap, r__d behind"),
        (" in snow", "", "a red fox, a red cap, redwood behind"),
        ("a red cap", "", "a red fox in snow, redwood behind"),
        ("a red fox in snow,", "", "a red cap, redwood behind"),
    ],
)
def test_phrases_are_replaced(old: str, new: str, changed: str) -> None:
    assert prompt_of(editing.substitute_prompt(STREAM, old, new)) == changed


def test_phrases_are_found_in_scripts_without_spaces() -> None:
    stream = editing.replace_prompt(STREAM, "雪地里的狐狸")
    assert prompt_of(editing.substitute_prompt(stream, "狐狸", "狼")) == "雪地里的狼"


def test_lines_of_an_equal_canvas_are_copied_byte_for_byte() -> None:
    donor = stream_of(PEOPLE, edges_section(draw_edges(64)), COLORS)
    edited = editing.replace_structure(STREAM, donor)
    assert edited.sections == (TEXT, PEOPLE, donor.sections[1], COLORS)
    assert edited.sections[2] is donor.sections[1]


@pytest.mark.parametrize("canvas", [(256, 256), (768, 512), (512, 768), (1024, 256)])
def test_lines_of_another_canvas_are_cropped_like_pictures(canvas: Size) -> None:
    picture = np.zeros((canvas[1], canvas[0], 3), np.uint8)
    centre = (canvas[0] * 9 // 16, canvas[1] * 7 // 16)
    cv2.circle(picture, centre, min(canvas) // 4, (255, 255, 255), -1)
    grid = cv2.Canny(cv2.resize(picture, (canvas[0] // 8, canvas[1] // 8)), 100, 200) > 0
    fitted = _fit_edges(EdgeMap(grid, canvas), CANVAS)
    assert fitted.canvas == CANVAS
    assert max(fitted.grid.shape) == max(grid.shape)
    disc = fit_to_canvas(Image.fromarray(picture), CANVAS)[..., 0] > 128
    rim = cv2.dilate(cv2.Canny(disc.astype(np.uint8) * 255, 100, 200), np.ones((25, 25)))
    drawn = fitted.to_image() > 0
    assert np.mean(rim[drawn] > 0) > 0.95
    people = Skeleton(((centre, (0.0, 0.0), *(None,) * 16),), canvas)
    (person,) = _fit_skeleton(people, CANVAS).people
    assert person[0] is not None
    middle = np.argwhere(disc).mean(axis=0)[::-1]
    assert np.abs(np.array(person[0]) - middle).max() < 6
    assert (person[1] is None) == (canvas[0] != canvas[1])


def test_lines_of_a_picture_fit_the_budget() -> None:
    small = encode(draw_picture(), PROMPT, EncodeOptions(budget=250, texture="grid"))
    edited = editing.replace_structure(small, draw_picture()[:, ::-1].copy())
    assert lines_of(edited).any()
    assert not np.array_equal(lines_of(edited), lines_of(small))
    assert len(edited.to_bytes()) <= 655
    assert edited.sections[0] is small.sections[0]


def test_lines_replace_people() -> None:
    edited = editing.replace_structure(stream_of(TEXT, PEOPLE, COLORS), stream_of(EDGES))
    assert edited.sections == (TEXT, EDGES, COLORS)


def test_a_new_layer_is_inserted_in_order() -> None:
    assert editing.replace_structure(stream_of(TEXT, COLORS), STREAM).sections == STREAM.sections
    assert editing.replace_texture(stream_of(TEXT, EDGES), STREAM).sections == STREAM.sections
    assert editing.replace_prompt(stream_of(EDGES, COLORS), PROMPT).sections == STREAM.sections


def test_colours_of_a_picture_keep_grid_and_step() -> None:
    for step in (STEP, STEP + 1):
        stream = stream_of(TEXT, colors_section(np.full((4, 6, 3), 128, np.uint8), step))
        edited = editing.replace_texture(stream, Image.new("RGB", (300, 200), (200, 40, 40)))
        colors = colors_of(edited)
        assert colors.shape == (4, 6, 3)
        assert np.abs(colors - (200, 40, 40)).max() <= TOLERANCE
        wanted = encode_colors(ColorMap(np.full((4, 6, 3), (200, 40, 40), np.uint8), CANVAS), step)
        assert edited.sections[1].payload == wanted


def test_colours_of_another_canvas_are_cropped_like_pictures() -> None:
    colors = np.zeros((4, 8, 3), np.uint8)
    colors[:, :4], colors[:, 4:] = (200, 0, 0), (0, 0, 200)
    payload = encode_colors(ColorMap(colors, (1024, 512)))
    donor = Bitstream(Header(1024, 512), (Section(Layer.TEXTURE, Coder.COLORS, payload),))
    edited = colors_of(editing.replace_texture(STREAM, donor))
    assert edited.shape == (8, 8, 3)
    assert (edited[:, :3, 0] > 170).all()
    assert (edited[:, 5:, 2] > 170).all()


def test_a_path_is_a_stream_or_a_picture(tmp_path: Path) -> None:
    STREAM.save(tmp_path / "a.lcast")
    Image.new("RGB", (64, 64), (200, 40, 40)).save(tmp_path / "b.png")
    plain = stream_of(TEXT)
    assert editing.replace_texture(plain, tmp_path / "a.lcast").sections == (TEXT, COLORS)
    assert np.abs(colors_of(editing.replace_texture(plain, str(tmp_path / "b.png"))) - (200, 40, 40)).max() < TOLERANCE
    with pytest.raises(PictureError, match="no picture"):
        editing.replace_texture(plain, tmp_path / "c.png")
    with pytest.raises(StorageError, match="No such file"):
        editing.replace_structure(plain, tmp_path / "c.lcast")


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("#336699", (10, 200, 30), (0x33, 0x66, 0x99)),
        ("navy", (10, 200, 30), (0, 0, 128)),
        ("hue=+120", (200, 40, 40), (40, 200, 40)),
        ("hue=-120", (200, 40, 40), (40, 40, 200)),
        ("HUE = 240", (200, 40, 40), (40, 40, 200)),
        ("hue=240", (90, 90, 90), (90, 90, 90)),
        ("saturation=0", (200, 100, 0), (119, 119, 119)),
        ("saturation=-50%", (200, 100, 0), (159, 109, 59)),
        ("brightness=-20", (200, 100, 50), (160, 80, 40)),
        ("brightness=80", (200, 100, 50), (160, 80, 40)),
        ("brightness=+400", (200, 100, 50), (255, 255, 250)),
    ],
)
def test_changes_of_colour(text: str, before: tuple[int, ...], after: tuple[int, ...]) -> None:
    change = editing.parse_recoloring(text)
    changed = change.apply(np.full((1, 1, 3), before, np.float32))
    assert np.abs(changed - np.array(after)).max() < 1


def test_recolouring_a_region_leaves_the_rest() -> None:
    before = colors_of(STREAM)
    after = colors_of(editing.recolor(STREAM, editing.parse_recoloring("0,0,256,160=#d02020")))
    assert np.abs(after[:2, :4] - (0xD0, 0x20, 0x20)).max() <= TOLERANCE
    half = (before[2, :4] + np.array((0xD0, 0x20, 0x20))) / 2
    assert np.abs(after[2, :4] - half).max() <= TOLERANCE
    assert np.abs(after[3:] - before[3:]).max() <= TOLERANCE
    assert np.abs(after[:, 4:] - before[:, 4:]).max() <= TOLERANCE


def test_changes_are_applied_in_order() -> None:
    red, turned = editing.Paint((200, 40, 40)), editing.Adjust(turn=120)
    assert colors_of(editing.recolor(STREAM, red, turned))[0, 0].argmax() == 1
    assert colors_of(editing.recolor(STREAM, turned, red))[0, 0].argmax() == 0


def test_edits_without_effect_return_the_stream() -> None:
    assert editing.replace_prompt(STREAM, PROMPT) is STREAM
    assert editing.recolor(STREAM, editing.Adjust()) is STREAM
    assert editing.replace_seed(STREAM, 7) is STREAM
    empty = stream_of(TEXT, edges_section(EdgeMap(np.zeros((64, 64), np.bool_), CANVAS)))
    assert editing.erase(empty, [editing.Rectangle(0, 0, 512, 512)]) is empty


def test_an_erased_object_is_filled_smoothly() -> None:
    ramp = np.repeat(np.arange(40, 200, 20, dtype=np.uint8)[None, :, None], 8, axis=0).repeat(3, axis=2)
    holed = ramp.copy()
    holed[2:5, 2:6] = (255, 0, 0)
    covered = np.zeros((8, 8))
    covered[2:5, 2:6] = 1
    assert np.array_equal(inpaint(holed, covered), ramp)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 3), (64, 64)])
def test_inpainting_solves_its_equation(shape: Size) -> None:
    generator = np.random.default_rng(1)
    colors = generator.integers(0, 256, (*shape, 3), np.uint8)
    covered = np.clip(generator.uniform(-1, 2, shape), 0, 1)
    covered[0, 0] = 0.0 if max(shape) > 1 else 1.0
    found = inpaint(colors, covered).astype(np.float64)
    padded = np.pad(found, ((1, 1), (1, 1), (0, 0)), constant_values=np.nan)
    around = np.stack([padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]])
    if max(shape) > 1:
        share = covered[..., None]
        assert np.abs(found - colors * (1 - share) - share * np.nanmean(around, axis=0)).max() <= 1.01


def test_erasing_everything_leaves_the_mean() -> None:
    edited = editing.erase(STREAM, [editing.Rectangle(0, 0, 512, 512)])
    assert not lines_of(edited).any()
    assert len({tuple(color) for color in colors_of(edited).reshape(-1, 3).tolist()}) == 1


def test_erasing_removes_joints_and_people() -> None:
    stream = stream_of(PEOPLE, EDGES)
    points = [point for point in STANDING if point is not None]
    (left, top), (right, bottom) = (np.min(points, axis=0).astype(int), np.max(points, axis=0).astype(int))
    head = editing.erase(stream, [editing.Rectangle(0, 0, 512, int(points[1][1]) + 8)]).decode().skeleton
    assert head is not None
    assert head.people[0][0] is None
    assert head.people[0][10] is not None
    whole = editing.Rectangle(left - 8, top - 8, right - left + 24, min(bottom - top + 24, 512 - top + 8))
    gone = editing.erase(stream, [whole]).decode().skeleton
    assert gone == Skeleton((), CANVAS)


def test_people_outside_keep_their_bytes() -> None:
    lines = np.ones((64, 64), np.bool_)
    stream = stream_of(PEOPLE, edges_section(EdgeMap(lines, CANVAS)), COLORS)
    edited = editing.erase(stream, [editing.Rectangle(0, 0, 8, 8)])
    assert edited.sections[0] is PEOPLE
    assert edited.sections[1] != stream.sections[1]


@st.composite
def rectangles(draw: st.DrawFn, canvas: Size = CANVAS) -> editing.Rectangle:
    x, y = draw(st.integers(0, canvas[0] - 1)), draw(st.integers(0, canvas[1] - 1))
    return editing.Rectangle(x, y, draw(st.integers(1, canvas[0] - x)), draw(st.integers(1, canvas[1] - y)))


@settings(max_examples=25, deadline=None)
@given(st.lists(rectangles(), min_size=1, max_size=3), st.sampled_from([40, 96]), st.integers(0, 2**32 - 1))
def test_nothing_is_left_in_erased_regions(regions: list[editing.Rectangle], side: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    before = EdgeMap(generator.random((side, side)) < 0.3, CANVAS)
    stream = stream_of(TEXT, LATER, edges_section(before), COLORS)
    edited = editing.erase(stream, regions)
    after = lines_of(Bitstream.from_bytes(edited.to_bytes()))
    inside = np.logical_or.reduce([region.pixels(CANVAS) for region in regions])
    rows, columns = (np.arange(512) * side // 512 for _ in range(2))
    assert not after[np.ix_(rows, columns)][inside].any()
    touched = np.zeros((side, side), np.bool_)
    for row, column in {(y * side // 512, x * side // 512) for y, x in np.argwhere(inside)}:
        touched[row, column] = True
    # A pixel touches every cell whose border falls within it: at most one more ring of cells.
    near = cv2.dilate(touched.astype(np.uint8), np.ones((3, 3))) > 0
    assert np.array_equal(after[~near], before.grid[~near])
    assert TEXT in edited.sections
    assert edited.header is stream.header
    assert len(edited.sections) <= len(stream.sections)
    assert all(section.missing == 0 and len(section.payload) < 4096 for section in edited.sections)
    assert editing.erase(stream, regions) == edited


def test_coverage_counts_every_touched_cell() -> None:
    inside = np.zeros((10, 10), np.bool_)
    inside[3, 3] = True
    for shape in ((3, 3), (10, 10), (5, 20), (64, 64)):
        shares = coverage(inside, shape)
        assert shares.shape == shape
        assert 0 < np.count_nonzero(shares) <= np.ceil(shape[0] / 10 + 1) * np.ceil(shape[1] / 10 + 1)
        assert shares.max() <= 1
    assert coverage(np.ones((10, 10), np.bool_), (3, 7)).min() == 1


def test_a_mask_picture_selects_the_region(tmp_path: Path) -> None:
    picture = Image.new("L", (1024, 1024), 0)
    picture.paste(255, (512, 0, 1024, 1024))
    picture.save(tmp_path / "mask.png")
    mask = editing.load_mask(tmp_path / "mask.png", CANVAS)
    edited = editing.erase(STREAM, [mask, editing.Rectangle(0, 0, 64, 64)])
    assert not lines_of(edited)[:, 48:].any()
    assert lines_of(edited)[:, :48].any()
    Image.new("L", (64, 64), 0).save(tmp_path / "mask.png")
    with pytest.raises(UsageError, match=r"mask\.png: the mask has no white pixels"):
        editing.load_mask(tmp_path / "mask.png", CANVAS)


@pytest.mark.parametrize(
    ("edit", "kept", "lost"),
    [
        (lambda s: editing.replace_prompt(s, "new"), (EDGES, COLORS, NEW_COLORS), ("detail", "6")),
        (lambda s: editing.recolor(s, editing.Paint((9, 9, 9))), (TEXT, EDGES), ("texture", "detail", "6")),
        (lambda s: editing.replace_seed(s, 8), (TEXT, EDGES, COLORS, NEW_COLORS), ("detail", "6")),
    ],
)
def test_sections_that_depend_on_the_old_picture_are_left_out(
    edit: Callable[[Bitstream], Bitstream], kept: tuple[Section, ...], lost: tuple[str, ...]
) -> None:
    stream = replace(stream_of(TEXT, EDGES, COLORS, NEW_COLORS, DETAIL, LATER), notes=("earlier",))
    edited = edit(stream)
    assert set(kept) <= set(edited.sections)
    assert not {DETAIL, LATER} & set(edited.sections)
    assert edited.notes[0] == "earlier"
    assert {note.partition(" of layer ")[2].partition(" ")[0] for note in edited.notes[1:]} == set(lost)


def test_another_seed_changes_only_the_header() -> None:
    edited = editing.replace_seed(STREAM, 8)
    assert edited.header == replace(STREAM.header, seed=8)
    assert edited.sections == STREAM.sections


CUT = Bitstream.from_bytes(STREAM.to_bytes()[:-20], partial=True)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda: editing.substitute_prompt(STREAM, "cat", "dog"), "does not contain 'cat'; it is 'a red fox"),
        (lambda: editing.substitute_prompt(STREAM, " ", "dog"), "phrase to substitute is empty"),
        (lambda: editing.substitute_prompt(stream_of(EDGES), "cat", "dog"), "no prompt"),
        (lambda: editing.replace_prompt(STREAM, "x" * (MAX_TEXT + 1)), "at most 8192 bytes"),
        (lambda: editing.replace_prompt(STREAM, "\ud800"), "half a surrogate pair"),
        (lambda: editing.replace_structure(STREAM, stream_of(TEXT)), "the other stream has no lines"),
        (lambda: editing.replace_texture(STREAM, stream_of(TEXT)), "the other stream has no colours"),
        (lambda: editing.recolor(stream_of(TEXT), editing.Adjust(turn=3)), "no colours to change"),
        (lambda: editing.erase(stream_of(TEXT), [editing.Rectangle(0, 0, 8, 8)]), "neither lines nor colours"),
        (lambda: editing.erase(STREAM, []), "no region"),
        (lambda: editing.erase(STREAM, [editing.Rectangle(500, 0, 64, 8)]), "500,0,64,8 leaves the canvas.* 512x512"),
        (lambda: editing.erase(STREAM, [editing.Rectangle(-1, 0, 64, 8)]), "leaves the canvas"),
        (lambda: editing.erase(STREAM, [editing.Rectangle(9, 9, 0, 8)]), "9,9,0,8 is empty"),
        (lambda: editing.erase(STREAM, [editing.Mask(np.ones((4, 4), np.bool_))]), "as the canvas"),
        (lambda: editing.erase(STREAM, [editing.Mask(np.zeros((512, 512), np.bool_))]), "nothing inside"),
        (lambda: editing.replace_seed(STREAM, 1 << 32), "a seed is"),
        (lambda: editing.Adjust(saturation=float("nan")), "saturation is 0 to 1000 %"),
        (lambda: editing.Adjust(turn=400), "-360 to 360"),
        (lambda: editing.Paint((0, 0, 300)), "0 to 255"),
        (lambda: editing.parse_rectangle("1,2,3"), "X,Y,WIDTH,HEIGHT"),
        (lambda: editing.parse_rectangle("-1,2,3,4"), "X,Y,WIDTH,HEIGHT"),
        (lambda: editing.parse_recoloring("colour=5"), "'colour=5' is not a change of colours; use hue="),
        (lambda: editing.parse_recoloring("brightness=-120"), "brightness is 0 to"),
        (lambda: editing.parse_recoloring("#11223344"), "transparent"),
        (lambda: editing.parse_recoloring("0,0,1,1=0,0,1,1=#fff"), "not a change of colours"),
        (lambda: editing.replace_prompt(CUT, "x"), "cut short"),
        (lambda: editing.replace_structure(CUT, STREAM), "cut short"),
        (lambda: editing.replace_structure(STREAM, CUT), "cut short"),
        (lambda: editing.replace_texture(STREAM, CUT), "cut short"),
        (lambda: editing.recolor(CUT, editing.Adjust()), "cut short"),
        (lambda: editing.erase(CUT, [editing.Rectangle(0, 0, 8, 8)]), "cut short"),
        (lambda: editing.replace_seed(CUT, 1), "cut short"),
    ],
)
def test_invalid_edits_are_refused_with_one_line(edit: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        edit()
    assert "\n" not in str(caught.value)


def nested() -> Bitstream:
    """Return a nested stream: coarse lines and colours first, then their refinements in turn."""
    lines = draw_edges(96)
    coarse = halve(lines)
    small = ColorMap(np.asarray(cv2.resize(draw_picture(), (4, 4), interpolation=cv2.INTER_AREA), np.uint8), CANVAS)
    large = ColorMap(np.asarray(cv2.resize(draw_picture(), (8, 8), interpolation=cv2.INTER_AREA), np.uint8), CANVAS)
    base = encode_colors(small, STEP + 1)
    return stream_of(
        TEXT,
        Section(Layer.STRUCTURE, Coder.EDGES, encode_edges(coarse, halved=True)),
        Section(Layer.TEXTURE, Coder.COLORS, base),
        Section(Layer.STRUCTURE, Coder.EDGES, encode_edges(lines, coarse)),
        Section(Layer.TEXTURE, Coder.COLORS, encode_colors(large, STEP + 1, decode_colors(base, CANVAS))),
    )


def test_nested_sections_stay_nested() -> None:
    stream = nested()
    edited = editing.erase(stream, [editing.Rectangle(64, 64, 256, 320)])
    assert [section.coder for section in edited.sections] == [section.coder for section in stream.sections]
    assert all(new != old for new, old in zip(edited.sections[1:], stream.sections[1:], strict=True))
    assert not lines_of(edited)[12:72, 12:60].any()
    assert np.array_equal(lines_of(edited)[72:], lines_of(stream)[72:])
    assert colors_of(edited).shape == (8, 8, 3)
    first = replace(edited, sections=edited.sections[:3])
    assert lines_of(first).shape == (48, 48)
    assert not lines_of(first)[6:36, 6:30].any()
    assert colors_of(first).shape == (4, 4, 3)


def test_nested_colours_alone_leave_nested_lines() -> None:
    stream = nested()
    edited = editing.recolor(stream, editing.Paint((200, 40, 40)))
    kept = [new is old for new, old in zip(edited.sections, stream.sections, strict=True)]
    assert kept == [True, True, False, True, False]
    assert np.abs(colors_of(edited) - (200, 40, 40)).max() <= TOLERANCE
    assert editing.replace_texture(stream_of(TEXT), edited).sections == (TEXT, edited.sections[2], edited.sections[4])


def test_independent_sections_are_merged() -> None:
    stream = stream_of(edges_section(draw_edges(48)), TEXT, COLORS, EDGES)
    edited = editing.erase(stream, [editing.Rectangle(0, 256, 512, 256)])
    assert [section.coder for section in edited.sections] == [Coder.EDGES, Coder.TEXT, Coder.COLORS]
    assert lines_of(edited).shape == lines_of(stream).shape


def test_repeated_edits_do_not_drift() -> None:
    once = editing.erase(STREAM, [editing.Rectangle(0, 0, 64, 64)])
    again = once
    for x in range(4):
        again = editing.erase(again, [editing.Rectangle(16 * x, 0, 16, 64)])
    assert np.abs(colors_of(again)[1:] - colors_of(STREAM)[1:]).max() <= TOLERANCE


def test_flat_colours_survive_the_coder() -> None:
    edited = editing.recolor(STREAM, editing.Paint((0x33, 0x66, 0x99)))
    assert np.abs(colors_of(edited) - (0x33, 0x66, 0x99)).max() <= TOLERANCE
    assert colors_of(edited).shape == (8, 8, 3)


def test_a_picture_in_memory_is_a_donor() -> None:
    file = io.BytesIO()
    Image.fromarray(draw_picture()).save(file, "PNG")
    edited = editing.replace_texture(STREAM, Image.open(file))
    assert np.abs(colors_of(edited) - colors_of(STREAM)).max() <= TOLERANCE


def planes_stream(budget: int = 900) -> Bitstream:
    stream = encode(draw_picture(), PROMPT, EncodeOptions(budget=budget, order="fidelity"))
    texture = next(index for index, section in enumerate(stream.sections) if section.layer == Layer.TEXTURE)
    return replace(stream, sections=(*stream.sections[:texture], EDGES, *stream.sections[texture:]))


def picture_of(stream: Bitstream) -> NDArray[np.int32]:
    plane = stream.decode().plane
    assert plane is not None
    return plane.to_image().astype(np.int32)


def kinds(stream: Bitstream) -> list[tuple[int, int]]:
    return [(int(section.layer), int(section.coder)) for section in stream.sections]


def test_recolouring_planes_codes_the_changed_picture_in_as_many_bytes() -> None:
    stream = replace(planes_stream(), sections=(*planes_stream().sections, DETAIL))
    edited = editing.recolor(stream, editing.Adjust(saturation=0.0))
    size = len(stream.to_bytes()) - len(DETAIL.to_bytes())
    assert size - 2 <= len(edited.to_bytes()) <= size
    assert kinds(edited)[:3] == kinds(stream)[:3]
    assert set(kinds(edited)[3:]) == {(3, 4)}
    assert edited.notes == (
        "1 section(s) of layer detail were left out: they were made for the picture before the edit",
    )
    picture = picture_of(edited)
    assert np.abs(picture - picture.mean(axis=2, keepdims=True)).mean() < 3
    assert np.abs(picture.mean(axis=2) - picture_of(stream) @ np.array([0.299, 0.587, 0.114])).mean() < 6
    assert editing.recolor(planes_stream(), editing.Adjust()) == planes_stream()


def test_recolouring_a_region_of_planes() -> None:
    left = editing.Rectangle(0, 0, 256, 512)
    stream = planes_stream()
    edited = picture_of(editing.recolor(stream, editing.Paint((200, 30, 30), left)))
    assert np.abs(edited[:, :230] - (200, 30, 30)).mean() < 8
    assert np.abs(edited[:, 280:] - picture_of(stream)[:, 280:]).mean() < 8


def test_erasing_from_planes() -> None:
    stream, house = planes_stream(), editing.Rectangle(64, 100, 240, 290)
    edited = editing.erase(stream, [house])
    assert len(stream.to_bytes()) - 2 - len(EDGES.to_bytes()) < len(edited.to_bytes()) <= len(stream.to_bytes())
    assert {(2, 4), (3, 4)} <= set(kinds(edited))
    assert not edited.notes
    before, after = picture_of(stream), picture_of(edited)
    wall = (slice(240, 380), slice(110, 250))
    assert np.abs(after[wall] - (180, 90, 70)).mean() > 1.5 * np.abs(before[wall] - (180, 90, 70)).mean()
    assert np.abs(after[:, 340:] - before[:, 340:]).mean() < 8
    assert not lines_of(edited)[20:70, 15:55].any()


def test_other_words_lines_or_colours_replace_planes_by_lines_and_colours() -> None:
    stream = planes_stream()
    lines = edges_section(draw_edges(64))
    words, structure, colors = (
        editing.substitute_prompt(stream, "fox", "wolf"),
        editing.replace_structure(stream, stream_of(lines)),
        editing.replace_texture(stream, STREAM),
    )
    for edited in (words, structure, colors):
        assert kinds(edited) == [(0, 0), (1, 1), (2, 2)]
        assert edited.decode().layers == {Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE}
        assert len(edited.to_bytes()) <= len(stream.to_bytes()) + 1
        assert edited.notes == (
            "the bit planes were replaced by lines and colours, because they show the picture before the edit",
        )
        assert Bitstream.from_bytes(edited.to_bytes()) == edited
    assert structure.sections[1] == lines
    found = find_contours(draw_picture())[1]
    for edited in (words, colors):
        drawn = edited.decode().structure
        assert isinstance(drawn, EdgeMap)
        assert line_f1(drawn.to_image(), found, 4) > 0.7
    rows, columns = colors_of(words).shape[:2]
    cells = cv2.resize(draw_picture(), (columns, rows), interpolation=cv2.INTER_AREA).astype(np.int32)
    assert np.abs(colors_of(words) - cells).mean() < 10


def test_lines_that_a_person_drew_stay_when_words_change() -> None:
    stream = encode(draw_picture(), PROMPT, EncodeOptions(budget=1500), structure=draw_edges(250))
    assert stream.size_of(Layer.STRUCTURE) > 100
    edited = editing.substitute_prompt(stream, "fox", "wolf")
    assert edited.decode().plane is None
    assert edited.decode().structure == stream.decode().structure
    assert len(edited.to_bytes()) <= len(stream.to_bytes()) + 1


def test_another_seed_keeps_planes() -> None:
    edited = editing.replace_seed(planes_stream(), 5)
    assert edited.sections == planes_stream().sections
    assert not edited.notes


def test_colours_in_place_of_planes() -> None:
    edited = editing.replace_texture(planes_stream(), STREAM)
    assert edited.decode().plane is None
    assert np.array_equal(colors_of(edited), colors_of(STREAM))


def test_planes_as_a_donor() -> None:
    donor = encode(draw_picture(), "", EncodeOptions(budget=2000, order="fidelity"))
    edited = editing.replace_texture(STREAM, donor)
    assert kinds(edited) == kinds(STREAM)
    assert np.abs(colors_of(edited) - colors_of(STREAM)).mean() < 10
    fresh = editing.replace_texture(planes_stream(), draw_picture())
    assert kinds(fresh) == [(0, 0), (1, 1), (2, 2)]
    lines = lines_of(editing.replace_structure(STREAM, donor))
    assert 0.02 < lines.mean() < 0.2


def test_planes_behind_colours_are_no_part_of_the_picture() -> None:
    stream = stream_of(TEXT, COLORS, *planes_stream().sections[-2:])
    assert stream.decode().plane is None
    edited = editing.recolor(stream, editing.Adjust(saturation=0.0))
    assert kinds(edited) == [(0, 0), (2, 2)]
    assert editing.erase(stream, [editing.Rectangle(0, 0, 100, 100)]).decode().plane is None
