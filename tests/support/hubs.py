"""A hub and a hub's cache with tiny models."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

import torch
from safetensors.torch import load_file, save_file

from tests.support.models import build_parts, build_tiny_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"

BASE = "stable-diffusion-v1-5/stable-diffusion-v1-5"
TAESD = "madebyollin/taesd"
LORA = "latent-consistency/lcm-lora-sdv1-5"
ADAPTERS = {
    "canny": "TencentARC/t2iadapter_canny_sd15v2",
    "color": "TencentARC/t2iadapter_color_sd14v1",
    "openpose": "TencentARC/t2iadapter_openpose_sd14v1",
}

#: The UNet's layer that the tiny LoRA changes.
LORA_MODULE = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"


def write_repositories(root: Path) -> dict[str, Path]:
    """Write tiny versions of all repositories of `sd15` and `sd15-lcm`; return hub id -> folder."""
    model = build_tiny_model(root / "sd15", "sd15")
    folders = {BASE: root / "base"}
    folders[BASE].mkdir()
    for part in ("unet", "vae", "text_encoder", "tokenizer", "scheduler", "model_index.json"):
        shutil.move(model / part, folders[BASE] / part)
    for kind, hub_id in ADAPTERS.items():
        folders[hub_id] = as_pickle(model / f"t2iadapter_{kind}")
    folders[TAESD] = root / "taesd"
    build_parts("mini")["vae"].save_pretrained(folders[TAESD])
    folders[LORA] = write_lora(root / "lora")
    return folders


def as_pickle(folder: Path) -> Path:
    """Convert a part's weights into a pickle, as TencentARC publishes them."""
    weights = folder / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(weights), folder / "diffusion_pytorch_model.bin")
    weights.unlink()
    return folder


def write_lora(folder: Path) -> Path:
    """Write a LoRA of one layer, rank 2 and alpha 4, with the tensor names of LCM-LoRA."""
    folder.mkdir()
    name = "lora_unet_" + LORA_MODULE.replace(".", "_")
    down, up = torch.full((2, 8), 0.5), torch.full((8, 2), 0.25)
    weights = {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, f"{name}.alpha": torch.tensor(4.0)}
    save_file(weights, folder / "pytorch_lora_weights.safetensors")
    return folder


def fill_cache(cache: Path, folders: dict[str, Path]) -> None:
    """Copy repositories into a hub's cache folder, in the layout of downloaded ones."""
    for hub_id, folder in folders.items():
        repository = cache / f"models--{hub_id.replace('/', '--')}"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text(COMMIT)
        shutil.copytree(folder, repository / "snapshots" / COMMIT)


@contextmanager
def serve(
    folders: dict[str, Path], errors: dict[str, tuple[int, str]] | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Serve repositories on loopback like the hub; yields the address and the list of requested files.

    Args:
        folders: the repositories, by hub id.
        errors: status and the hub's error code for every request to a repository, by hub id.
    """
    requested: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            path = unquote(self.path.split("?")[0]).strip("/")
            parts = path.removeprefix("api/models/").split("/")
            if failure := (errors or {}).get("/".join(parts[:2])):
                status, code = failure
                self._send(status, b"", {"X-Error-Code": code} if code else {})
                return
            if path.startswith("api/models/"):
                self._describe("/".join(path.split("/")[2:4]), tree="/tree/" in path)
                return
            hub_id, name = "/".join(path.split("/")[:2]), "/".join(path.split("/")[4:])
            file = folders.get(hub_id, Path("nowhere")) / name
            if not file.is_file():
                self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
                return
            if body:
                requested.append(f"{hub_id}/{name}")
            content = file.read_bytes()
            self._send(200, content if body else b"", {"ETag": f'"{hash((hub_id, name))}"'}, len(content))

        def _describe(self, hub_id: str, *, tree: bool) -> None:
            if hub_id not in folders:
                self._send(404, b"", {"X-Error-Code": "RepoNotFound"})
                return
            files = [path for path in sorted(folders[hub_id].rglob("*")) if path.is_file()]
            names = [(path.relative_to(folders[hub_id]).as_posix(), path.stat().st_size) for path in files]
            if tree:
                listing = [{"type": "file", "path": name, "size": size, "oid": "0" * 40} for name, size in names]
                self._send(200, json.dumps(listing).encode(), {})
                return
            siblings = [{"rfilename": name, "size": size} for name, size in names]
            about = {"id": hub_id, "sha": COMMIT, "siblings": siblings}
            self._send(200, json.dumps(about | {"private": False, "tags": []}).encode(), {})

        def _send(self, status: int, content: bytes, headers: dict[str, str], length: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content) if length is None else length))
            self.send_header("X-Repo-Commit", COMMIT)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", requested
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
