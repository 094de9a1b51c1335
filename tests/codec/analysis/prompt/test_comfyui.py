"""codec.analysis.prompt.comfyui: from the saved picture back to the positive text, through any nodes between."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codec.analysis.prompt.comfyui.graph import MAX_NODES
from codec.analysis.prompt.comfyui.search import MAX_DEPTH, read_graph
from codec.analysis.prompt.comfyui.workflow import to_api


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def sampled(*positive: Any, **nodes: dict[str, Any]) -> dict[str, Any]:
    """Return a graph that samples from `positive` and saves; `nN` names node N."""
    base = {
        "save": node("SaveImage", images=["decode", 0]),
        "decode": node("VAEDecode", samples=["sampler", 0], vae=["model", 2]),
        "sampler": node(
            "KSampler",
            seed=1,
            model=["model", 0],
            positive=list(positive),
            negative=["bad", 0],
            latent_image=["empty", 0],
        ),
        "bad": node("CLIPTextEncode", text="ugly", clip=["model", 1]),
        "empty": node("EmptyLatentImage", width=512),
        "model": node("CheckpointLoaderSimple", ckpt_name="m"),
    }
    return base | {name.removeprefix("n"): made for name, made in nodes.items()}


FOX = node("CLIPTextEncode", text="a fox", clip=["model", 1])
SNOW = node("CLIPTextEncode", text="in snow", clip=["model", 1])

GRAPHS = {
    "plain": (sampled("1", 0, n1=FOX), "a fox"),
    "combine": (
        sampled(
            "3", 0, n1=FOX, n2=SNOW, n3=node("ConditioningCombine", conditioning_1=["1", 0], conditioning_2=["2", 0])
        ),
        "a fox, in snow",
    ),
    "concat of conditionings": (
        sampled(
            "3", 0, n1=FOX, n2=SNOW, n3=node("ConditioningConcat", conditioning_to=["1", 0], conditioning_from=["2", 0])
        ),
        "a fox, in snow",
    ),
    "flux guidance": (sampled("2", 0, n1=FOX, n2=node("FluxGuidance", guidance=3.5, conditioning=["1", 0])), "a fox"),
    "sdxl encoder, one text twice": (
        sampled("1", 0, n1=node("CLIPTextEncodeSDXL", text_g="a fox", text_l="a fox", width=1024)),
        "a fox",
    ),
    "sdxl encoder, two texts": (
        sampled("1", 0, n1=node("CLIPTextEncodeSDXL", text_g="a fox", text_l="in snow")),
        "a fox, in snow",
    ),
    "sd3 encoder": (
        sampled(
            "1", 0, n1=node("CLIPTextEncodeSD3", clip_l="fox", clip_g="fox", t5xxl="a fox runs", empty_padding="none")
        ),
        "a fox runs",
    ),
    "controlnet, positive slot": (
        sampled(
            "2", 0, n1=FOX, n2=node("ControlNetApplyAdvanced", positive=["1", 0], negative=["bad", 0], image=["x", 0])
        ),
        "a fox",
    ),
    "controlnet used crosswise": (
        sampled("2", 1, n1=SNOW, n2=node("ControlNetApplyAdvanced", positive=["bad", 0], negative=["1", 0])),
        "in snow",
    ),
    "reroute of an unknown kind": (sampled("2", 0, n1=FOX, n2=node("Reroute (other)", anything=["1", 0])), "a fox"),
    "string node": (
        sampled("1", 0, n1=node("CLIPTextEncode", text=["2", 0]), n2=node("PrimitiveStringMultiline", value="a fox")),
        "a fox",
    ),
    "strings joined": (
        sampled(
            "1",
            0,
            n1=node("CLIPTextEncode", text=["2", 0]),
            n2=node("StringConcatenate", string_a=["3", 0], string_b="in snow", delimiter=", "),
            n3=node("String Literal", string="a fox"),
        ),
        "a fox, in snow",
    ),
    "switch with absent inputs": (
        sampled("2", 0, n1=FOX, n2=node("Any Switch", any_01=["gone", 0], any_02=["1", 0])),
        "a fox",
    ),
    "efficient loader": (
        sampled("1", 1, n1=node("Efficient Loader", ckpt_name="m", positive="a fox", negative="ugly")),
        "a fox",
    ),
    "numbers as ids of links": (sampled(1, 0, n1=FOX), "a fox"),
    "custom sampler with guider": (
        {
            "1": node("SaveImage", images=["2", 0]),
            "2": node(
                "SamplerCustomAdvanced", noise=["9", 0], guider=["3", 0], sampler=["4", 0], latent_image=["8", 0]
            ),
            "3": node("CFGGuider", model=["7", 0], positive=["5", 0], negative=["6", 0], cfg=2),
            "4": node("KSamplerSelect", sampler_name="euler"),
            "5": FOX,
            "6": node("CLIPTextEncode", text="ugly"),
        },
        "a fox",
    ),
    "the first pass counts": (
        {
            "1": node("SaveImage", images=["2", 0]),
            "2": node("FaceDetailer", image=["3", 0], seed=1, positive=["6", 0], negative=["7", 0]),
            "3": node("VAEDecode", samples=["4", 0]),
            "4": node("KSampler", seed=1, positive=["5", 0], negative=["7", 0]),
            "5": FOX,
            "6": node("CLIPTextEncode", text="detailed face"),
            "7": node("CLIPTextEncode", text="ugly"),
        },
        "a fox",
    ),
    "only what leads to the saved picture counts": (
        sampled("1", 0, n1=FOX)
        | {
            "look": node("PreviewImage", images=["other", 0]),
            "other": node("KSampler", seed=2, positive=["2", 0], negative=["bad", 0]),
            "2": SNOW,
        },
        "a fox",
    ),
    "an unknown input name": (
        sampled(
            "1", 0, n1=node("CLIPTextEncode", text=["2", 0]), n2=node("NoteKeeper", prompt_text="a fox", load="none")
        ),
        "a fox",
    ),
    "the longest literal of an unknown node": (
        sampled(
            "1",
            0,
            n1=node("CLIPTextEncode", text=["2", 0]),
            n2=node("Keeper", words="a fox in snow", mode="randomize", file="a b.txt", negative="a very ugly picture"),
        ),
        "a fox in snow",
    ),
    "a switch by its index": (
        sampled(
            "3", 0, n1=FOX, n2=SNOW, n3=node("ImpactSwitch", select=2, sel_mode=False, input1=["1", 0], input2=["2", 0])
        ),
        "in snow",
    ),
    "a switch set by another node": (
        sampled(
            "1",
            0,
            n1=node("CLIPTextEncode", text=["2", 0]),
            n2=node("CR Text Input Switch", Input=["3", 0], text1="a fox", text2="in snow"),
            n3=node("PrimitiveInt", value=1),
        ),
        "a fox",
    ),
    "a switch by truth": (
        sampled("3", 0, n1=FOX, n2=SNOW, n3=node("LazySwitch", boolean=False, on_true=["1", 0], on_false=["2", 0])),
        "in snow",
    ),
    "a switch counted from zero": (
        sampled("3", 0, n1=FOX, n2=SNOW, n3=node("Index Switch", index=0, value0=["1", 0], value1=["2", 0])),
        "a fox",
    ),
    "a selector by name": (
        sampled("3", 0, n1=FOX, n2=SNOW, n3=node("Selector", selected="Text B", text_a=["1", 0], text_b=["2", 0])),
        "in snow",
    ),
    "texts joined in natural order": (
        sampled(
            "1",
            0,
            n1=node("CLIPTextEncode", text=["2", 0]),
            n2=node("JoinStrings", separator=" ", text_10="in snow", text_2="fox", text_1="a"),
        ),
        "a fox in snow",
    ),
    "a bypassed node passes its input": (
        sampled("2", 0, n1=FOX, n2=node("CLIPTextEncode", conditioning=["1", 0], text="not this") | {"mode": 4}),
        "a fox",
    ),
    "a muted node is absent": (
        sampled(
            "3",
            0,
            n1=FOX,
            n2=SNOW | {"mode": 2},
            n3=node("ConditioningCombine", conditioning_1=["1", 0], conditioning_2=["2", 0]),
        ),
        "a fox",
    ),
    "a primitive node": (
        sampled("1", 0, n1=node("CLIPTextEncode", text=["2", 0]), n2=node("PrimitiveNode", value="a fox")),
        "a fox",
    ),
    "text embeddings of a video": (
        {
            "1": node("WanVideoSampler", text_embeds=["2", 0], seed=1),
            "2": node("WanVideoTextEncode", positive_prompt="a fox", negative_prompt="ugly"),
        },
        "a fox",
    ),
    "a sampler of an unknown kind": (
        {
            "1": node("Paint", hint=["2", 0], negative=["3", 0]),
            "2": FOX,
            "3": node("CLIPTextEncode", text="ugly things"),
        },
        "a fox",
    ),
    "numbers as ids": ({1: node("KSampler", positive=[2, 0], seed=1), 2: FOX}, "a fox"),
    "a one-node generator": (
        {"1": node("SaveImage", images=["2", 0]), "2": node("RemoteImageNode", prompt="a fox", seed=1)},
        "a fox",
    ),
    "a cycle": (
        sampled("1", 0, n1=node("Reroute", a=["2", 0]), n2=node("Reroute", a=["1", 0], b=["3", 0]), n3=FOX),
        "a fox",
    ),
    "nothing but a cycle": (sampled("1", 0, n1=node("Reroute", a=["1", 0])), None),
    "conditioning zeroed out": (sampled("2", 0, n1=FOX, n2=node("ConditioningZeroOut", conditioning=["1", 0])), None),
    "a blank text": (sampled("1", 0, n1=node("CLIPTextEncode", text="  ")), None),
    "an absent node": (sampled("gone", 0), None),
    "no nodes": ({}, None),
    "no graph": ([1, "a"], None),
    "text alone": ("a fox", None),
    "nodes of no form": ({"1": 3, "2": {"inputs": []}, "3": {"class_type": "KSampler"}, "4": None}, None),
}


@pytest.mark.parametrize(("graph", "expected"), GRAPHS.values(), ids=GRAPHS)
def test_graphs(graph: object, expected: str | None) -> None:
    assert read_graph(graph) == expected


@pytest.mark.parametrize(("length", "expected"), [(MAX_DEPTH - 2, "a fox"), (5_000, None)])
def test_long_chains_terminate(length: int, expected: str | None) -> None:
    chain = {str(i): node("Reroute", a=[str(i + 1), 0]) for i in range(length)}
    assert read_graph(sampled("0", 0) | chain | {str(length): FOX}) == expected


def test_a_graph_of_too_many_nodes_is_ignored() -> None:
    graph = sampled("1", 0, n1=FOX)
    assert read_graph(graph | {f"x{i}": FOX for i in range(MAX_NODES)}) is None


def test_wide_graphs_are_walked_once() -> None:
    # Each layer links twice to the next: 2 ** 60 paths, 60 nodes.
    layers = {
        str(i): node("ConditioningCombine", conditioning_1=[str(i + 1), 0], conditioning_2=[str(i + 1), 0])
        for i in range(60)
    }
    assert read_graph(sampled("0", 0) | layers | {"60": FOX}) == "a fox"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.floats() | st.sampled_from(["a fox", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
LINKS = st.tuples(st.sampled_from("01234567"), st.integers(0, 2)).map(list)
KEYS = st.sampled_from(
    [
        "positive",
        "negative",
        "text",
        "text_g",
        "conditioning",
        "conditioning_1",
        "guider",
        "seed",
        "images",
        "samples",
        "x",
    ]
)
KINDS = st.sampled_from(["SaveImage", "KSampler", "CLIPTextEncode", "StringConcatenate", "Reroute", "ControlNetApply"])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from("01234567"),
        VALUES | st.fixed_dictionaries({"class_type": KINDS, "inputs": st.dictionaries(KEYS, LINKS | VALUES)}),
    )
)
def test_any_graph_gives_a_text_or_none(graph: dict[str, object]) -> None:
    found = read_graph(graph)
    assert found is None or found.strip()


def ui_node(number: int, kind: str, values: Any, *inputs: tuple[str, int], mode: int = 0) -> dict[str, Any]:
    slots = [{"name": name, "type": "X", "link": link} for name, link in inputs]
    return {"id": number, "type": kind, "mode": mode, "widgets_values": values, "inputs": slots}


SAMPLER = ui_node(3, "KSampler", [5, "randomize", 20, 8, "euler", "normal", 1], ("positive", 1), ("negative", 2))
WORKFLOWS: dict[str, tuple[Any, Any, str]] = {
    "texts": ([SAMPLER, ui_node(6, "CLIPTextEncode", ["a fox"]), ui_node(7, "CLIPTextEncode", ["ugly"])], [], "a fox"),
    "a primitive and a reroute": (
        [
            SAMPLER,
            ui_node(6, "CLIPTextEncode", ["old text"], ("text", 4)),
            ui_node(7, "CLIPTextEncode", ["ugly"]),
            ui_node(8, "Reroute", None, ("", 5)),
            ui_node(9, "PrimitiveNode", ["a fox", "fixed"]),
        ],
        [[4, 8, 0, 6, 0, "STRING"], [5, 9, 0, 8, 0, "STRING"]],
        "a fox",
    ),
    "a bypassed node": (
        [
            SAMPLER | {"inputs": [{"name": "positive", "link": 4}, {"name": "negative", "link": 2}]},
            ui_node(6, "CLIPTextEncode", ["a fox"]),
            ui_node(7, "CLIPTextEncode", ["ugly"]),
            ui_node(8, "ControlNetApply", [1.0], ("conditioning", 1), mode=4),
        ],
        [[1, 6, 0, 8, 0, "CONDITIONING"], [4, 8, 0, 3, 0, "CONDITIONING"]],
        "a fox",
    ),
    "a muted sampler": (
        [
            SAMPLER | {"mode": 2},
            ui_node(4, "KSampler", [5], ("positive", 5)),
            ui_node(5, "CLIPTextEncode", ["in snow"]),
            ui_node(6, "CLIPTextEncode", ["a fox"]),
        ],
        [[5, 5, 0, 4, 0, "CONDITIONING"]],
        "in snow",
    ),
    "links as objects, values by name": (
        [SAMPLER, ui_node(6, "CLIPTextEncode", {"text": "a fox"}), ui_node(7, "CLIPTextEncode", {"text": "ugly"})],
        [{"id": 1, "origin_id": 6, "origin_slot": 0}],
        "a fox",
    ),
}


@pytest.mark.parametrize("case", WORKFLOWS)
def test_workflows_as_the_editor_saves_them(case: str) -> None:
    nodes, links, expected = WORKFLOWS[case]
    usual = [[1, 6, 0, 3, 0, "CONDITIONING"], [2, 7, 0, 3, 1, "CONDITIONING"]]
    assert read_graph(to_api({"nodes": nodes, "links": [*usual, *links]})) == expected


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from(["nodes", "links"]), st.lists(
        VALUES | st.fixed_dictionaries({"id": st.integers(0, 3) | st.text(max_size=1), "type": KINDS | st.none(),
                                        "inputs": VALUES, "widgets_values": VALUES}), max_size=5)) | VALUES
)  # fmt: skip
def test_any_workflow_gives_a_graph(workflow: object) -> None:
    found = read_graph(to_api(workflow))
    assert found is None or found.strip()
