"""Writes pictures whose files carry a generator's text, in every place where programs put one."""

import gzip
import io
import json
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin

Graph = dict[str, object]


@dataclass(frozen=True)
class Written:
    """What a generator stores: named texts where the carrier has names, one text where it has none."""

    named: Mapping[str, str]
    text: str
    software: str = ""


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def plain_png(image: Image.Image | None = None) -> bytes:
    file = io.BytesIO()
    (image or Image.new("RGB", (8, 8), "teal")).save(file, "PNG")
    return file.getvalue()


def png_with(chunks: list[bytes], *, at_end: bool = False) -> bytes:
    """Return a PNG with these chunks after the header, or before the end."""
    data = plain_png()
    place = data.index(b"IEND") - 4 if at_end else 33
    return data[:place] + b"".join(chunks) + data[place:]


def _png_text(written: Written, make: Callable[[bytes, str], bytes]) -> bytes:
    named = dict(written.named) | ({"Software": written.software} if written.software else {})
    return png_with([make(name.encode("latin-1"), text) for name, text in named.items()])


def text_chunk(written: Written) -> bytes:
    return _png_text(written, lambda name, text: chunk(b"tEXt", name + b"\0" + text.encode()))


def compressed_chunk(written: Written) -> bytes:
    return _png_text(written, lambda name, text: chunk(b"zTXt", name + b"\0\0" + zlib.compress(text.encode())))


def international_chunk(written: Written) -> bytes:
    return _png_text(written, lambda name, text: chunk(b"iTXt", name + b"\0\1\0\0\0" + zlib.compress(text.encode())))


def animation_chunk(written: Written) -> bytes:
    """Return an APNG with `comf` chunks behind the pictures, as ComfyUI writes them."""
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    info = PngImagePlugin.PngInfo()
    for name, text in written.named.items():
        info.add(b"comf", name.encode("latin-1") + b"\0" + text.encode(), after_idat=True)
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:], pnginfo=info)
    return file.getvalue()


def gif_comment(written: Written) -> bytes:
    file = io.BytesIO()
    Image.new("P", (8, 8)).save(file, "GIF", comment=written.text.encode())
    return file.getvalue()


def jpeg_comment(written: Written) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", comment=written.text.encode())
    return file.getvalue()


def _with_exif(kind: str, exif: Image.Exif, software: str) -> bytes:
    if software:
        exif[ExifTags.Base.Software] = software
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, kind, exif=exif)
    return file.getvalue()


def user_comment(kind: str, *, main: bool) -> Callable[[Written], bytes]:
    """Return the writer of a UserComment in UTF-16, in the Exif directory or in the main one."""

    def write(written: Written) -> bytes:
        exif = Image.Exif()
        body = b"UNICODE\0" + written.text.encode("utf-16-be")
        if main:
            exif[ExifTags.Base.UserComment] = body
        else:
            # Pillow writes no EXIF block into a PNG whose main directory is empty.
            exif[ExifTags.Base.Software] = "writer"
            exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = body
        return _with_exif(kind, exif, written.software)

    return write


def image_description(kind: str) -> Callable[[Written], bytes]:
    def write(written: Written) -> bytes:
        exif = Image.Exif()
        # As bytes, since Pillow drops what is not ASCII.
        exif[ExifTags.Base.ImageDescription] = written.text.encode()
        return _with_exif(kind, exif, written.software)

    return write


def windows_comment(kind: str) -> Callable[[Written], bytes]:
    def write(written: Written) -> bytes:
        exif = Image.Exif()
        exif[ExifTags.Base.XPComment] = written.text.encode("utf-16-le") + b"\0\0"
        return _with_exif(kind, exif, written.software)

    return write


def xmp_packet(name: str, text: str, software: str = "") -> bytes:
    """Return an XMP packet with one text."""
    tool = f' xmp:CreatorTool="{escape(software)}"' if software else ""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/"'
        f' xmlns:xmp="http://ns.adobe.com/xap/1.0/"{tool}><{name}><rdf:Alt><rdf:li xml:lang="x-default">{escape(text)}'
        f'</rdf:li></rdf:Alt></{name}></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def xmp(kind: str, name: str) -> Callable[[Written], bytes]:
    def write(written: Written) -> bytes:
        packet = xmp_packet(name, written.text, written.software)
        if kind == "PNG":
            return png_with([chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)])
        file = io.BytesIO()
        Image.new("RGB", (8, 8)).save(file, kind, xmp=packet)
        return file.getvalue()

    return write


def stealth_bits(signature: bytes, text: str, bands: str, side: int = 128, length: int | None = None) -> Image.Image:
    """Return a picture with a text in the lowest bits of its alpha ("A") or its colours ("RGB")."""
    body = gzip.compress(text.encode()) if signature.endswith(b"comp") else text.encode()
    data = signature + struct.pack(">I", 8 * len(body) if length is None else length) + body
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    pixels = np.full((side, side, 4), 254, np.uint8)
    planes = pixels[..., 3:] if bands == "A" else pixels[..., :3]
    hidden = np.zeros(planes.size, np.uint8)
    hidden[: len(bits)] = bits
    planes |= hidden.reshape(side, side, planes.shape[2]).swapaxes(0, 1)
    return Image.fromarray(pixels if bands == "A" else pixels[..., :3].copy())


def stealth(signature: bytes, bands: str) -> Callable[[Written], bytes]:
    return lambda written: plain_png(stealth_bits(signature, written.text, bands))


#: Every carrier, by its name in docs/prompts.md.
CARRIERS: dict[str, Callable[[Written], bytes]] = {
    "PNG tEXt": text_chunk,
    "PNG zTXt": compressed_chunk,
    "PNG iTXt": international_chunk,
    "APNG comf": animation_chunk,
    "GIF comment": gif_comment,
    "JPEG comment": jpeg_comment,
    **{
        f"{kind} UserComment ({'IFD0' if main else 'Exif'})": user_comment(kind, main=main)
        for kind in ("JPEG", "WEBP", "AVIF", "PNG")
        for main in (False, True)
    },
    **{f"{kind} ImageDescription": image_description(kind) for kind in ("JPEG", "WEBP", "AVIF", "TIFF")},
    **{f"{kind} XPComment": windows_comment(kind) for kind in ("JPEG", "WEBP", "AVIF")},
    **{f"{kind} dc:description": xmp(kind, "dc:description") for kind in ("JPEG", "WEBP", "AVIF", "PNG")},
    **{f"{kind} exif:UserComment": xmp(kind, "exif:UserComment") for kind in ("JPEG", "WEBP", "AVIF", "PNG")},
    "stealth alpha": stealth(b"stealth_pngcomp", "A"),
    "stealth alpha, plain": stealth(b"stealth_pnginfo", "A"),
    "stealth RGB": stealth(b"stealth_rgbcomp", "RGB"),
    "stealth RGB, plain": stealth(b"stealth_rgbinfo", "RGB"),
}

PROMPT = "雪の狐, a red fox in snow"

_SETTINGS = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42, Size: 512x512, Model hash: abc, Model: some-model"
_A1111 = f"{PROMPT}\nNegative prompt: blurry\n{_SETTINGS}"


def _node(kind: str, **inputs: object) -> Graph:
    return {"class_type": kind, "inputs": inputs}


GRAPH: Graph = {
    "3": _node("KSampler", seed=5, positive=["6", 0], negative=["7", 0], model=["4", 0]),
    "4": _node("CheckpointLoaderSimple", ckpt_name="x.safetensors"),
    "6": _node("CLIPTextEncode", text=PROMPT, clip=["4", 1]),
    "7": _node("CLIPTextEncode", text="blurry, ugly", clip=["4", 1]),
    "8": _node("VAEDecode", samples=["3", 0], vae=["4", 2]),
    "9": _node("SaveImage", images=["8", 0], filename_prefix="ComfyUI"),
}

WORKFLOW = {
    "nodes": [
        {"id": 3, "type": "KSampler", "mode": 0, "widgets_values": [5, "randomize", 20, 8, "euler", "normal", 1],
         "inputs": [{"name": "positive", "type": "CONDITIONING", "link": 1},
                    {"name": "negative", "type": "CONDITIONING", "link": 2}]},
        {"id": 6, "type": "CLIPTextEncode", "mode": 0, "widgets_values": [PROMPT], "inputs": []},
        {"id": 7, "type": "CLIPTextEncode", "mode": 0, "widgets_values": ["blurry"], "inputs": []},
        {"id": 9, "type": "SaveImage", "mode": 0, "inputs": [{"name": "images", "type": "IMAGE", "link": 3}]},
    ],
    "links": [[1, 6, 0, 3, 0, "CONDITIONING"], [2, 7, 0, 3, 1, "CONDITIONING"], [3, 3, 0, 9, 0, "IMAGE"]],
}  # fmt: skip


def _fields(**named: object) -> Written:
    """Return named texts; where the carrier has no names, the same as one JSON object."""
    texts = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in named.items()
    }
    return Written(texts, json.dumps(named, ensure_ascii=False))


def _inside(name: str, value: Mapping[str, object]) -> Written:
    """Return a named JSON object; where the carrier has no names, the object alone."""
    text = json.dumps(value, ensure_ascii=False)
    return Written({name: text}, text)


_NAI3 = {"prompt": PROMPT, "steps": 28, "seed": 5, "uc": "blurry"}
_NAI4 = {
    "prompt": "a library",
    "uc": "blurry",
    "v4_prompt": {
        "caption": {
            "base_caption": "a library",
            "char_captions": [{"char_caption": "girl, green coat"}, {"char_caption": "old man"}],
        },
        "use_order": True,
    },
}


@dataclass(frozen=True)
class Case:
    """What a generator writes, and the prompt and source that must be found."""

    written: Written
    source: str
    prompt: str = PROMPT
    without: frozenset[str] = field(default_factory=frozenset)


#: Every generator, by its name in docs/prompts.md.
WRITERS: dict[str, Case] = {
    "Automatic1111, Forge": Case(Written({"parameters": _A1111}, _A1111), "automatic1111"),
    "ComfyUI": Case(_fields(prompt=GRAPH, workflow={"nodes": []}), "comfyui"),
    "ComfyUI, graph alone": Case(_inside("prompt", GRAPH), "comfyui"),
    "ComfyUI, workflow alone": Case(_fields(workflow=WORKFLOW), "comfyui"),
    "InvokeAI 1": Case(
        Written({"Dream": f'"{PROMPT} [blurry]" -s 50 -S 42 -W 512 -H 512 -C 7.5 -A k_lms'},
                f'"{PROMPT} [blurry]" -s 50 -S 42 -W 512 -H 512 -C 7.5 -A k_lms'), "invokeai"),
    "InvokeAI 2": Case(
        _fields(**{"sd-metadata": {"model": "x", "image": {"prompt": [{"prompt": PROMPT, "weight": 1}]}}}), "invokeai"),
    "InvokeAI 3 to 5": Case(
        _inside("invokeai_metadata", {"app_version": "5.6.0", "generation_mode": "txt2img", "positive_prompt": PROMPT,
                                      "negative_prompt": "blurry"}), "invokeai"),
    "NovelAI 3": Case(
        _fields(Title="AI generated image", Description=PROMPT, Software="NovelAI", Comment=json.dumps(_NAI3)),
        "novelai"),
    "NovelAI 4": Case(
        _fields(Description="a library", Software="NovelAI", Comment=json.dumps(_NAI4)), "novelai",
        "a library, girl, green coat, old man"),
    "SwarmUI": Case(_inside("parameters", {"sui_image_params": {"prompt": PROMPT, "negativeprompt": "x"}}), "swarmui"),
    "Fooocus": Case(
        _inside("parameters", {"prompt": PROMPT, "negative_prompt": "x", "styles": "[]", "version": "Fooocus v2.5"}),
        "fooocus"),
    "Easy Diffusion": Case(
        _fields(prompt=PROMPT, negative_prompt="x", seed="5", num_inference_steps="25"), "easydiffusion"),
    "Draw Things": Case(
        _inside("UserComment", {"c": PROMPT, "uc": "blurry", "steps": 8, "v2": {"seed": 1}}), "drawthings"),
    "Civitai": Case(
        Written({"parameters": f'{_A1111}, Civitai resources: [{{"type":"checkpoint"}}]'},
                f'{_A1111}, Civitai resources: [{{"type":"checkpoint"}}]'), "civitai"),
    "Civitai, graph": Case(
        _inside("prompt", {**GRAPH, "extra": {"airs": []}, "extraMetadata": json.dumps({"prompt": PROMPT})}),
        "civitai"),
    "Midjourney": Case(
        Written({"Description": f"{PROMPT} --ar 3:2 --v 6.1 Job ID: 0f3a5c1e-2b4d-4e6f-8a9b-1c2d3e4f5a6b",
                 "Author": "someone"},
                f"{PROMPT} --ar 3:2 --v 6.1 Job ID: 0f3a5c1e-2b4d-4e6f-8a9b-1c2d3e4f5a6b"), "midjourney"),
    "DALL-E and plain descriptions": Case(Written({"Description": PROMPT}, PROMPT), "description"),
}  # fmt: skip
