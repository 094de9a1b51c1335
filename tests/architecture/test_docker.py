"""The containers: that the files agree with each other and with the commands. No engine is needed."""

import json
import os
import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import layercast
from layercast.cli import build_parser
from layercast.commands.options.values import byte_count, host_and_port
from layercast_common.errors import AuthenticationError
from layercast_common.urls import public_url
from protocol.link_profiles import LINKS
from protocol.sending.pictures.fragmentation import OutgoingSection
from receiver.rendering.model_files.registry import REGISTRY
from receiver.server import Server
from sender.connection.sender import Sender
from tests.support.brokers import mosquitto, needs_mosquitto

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))

#: What we ask of each service besides the Compose specification.
RULES: dict[str, Any] = {
    "type": "object",
    "required": ["image", "networks", "profiles", "cap_drop", "read_only", "security_opt", "mem_limit", "logging"],
    "properties": {
        "restart": {"const": "unless-stopped"},
        "cap_drop": {"const": ["ALL"]},
        "read_only": {"const": True},
        "security_opt": {"const": ["no-new-privileges:true"]},
        "logging": {"properties": {"options": {"required": ["max-size", "max-file"]}}},
        "ports": {"items": {"type": "string", "pattern": r"^\$\{\w+:-127\.0\.0\.1\}:\d+:\d+$"}},
        "volumes": {"items": {"type": "string", "pattern": "^[^:]+:/[^:]+(:ro)?$"}},
        "healthcheck": {"required": ["test", "interval", "timeout", "retries"]},
    },
}


def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return parsed


SERVICES: dict[str, dict[str, Any]] = compose()["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]


def example() -> dict[str, str]:
    """The variables of the example .env."""
    lines = (ROOT / "docker" / "example.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def filled_in(text: str, variables: dict[str, str]) -> str:
    """A text with Compose's variables: ${NAME:-default} or ${NAME:?complaint}."""
    return re.sub(r"\$\{(\w+):[-?]([^}]*)\}", lambda match: variables.get(match[1], match[2]), text)


def test_the_file_keeps_to_the_specification() -> None:
    checks = pytest.importorskip("check_jsonschema", reason="needs check-jsonschema, which contains the specification")
    specification = resources.files(checks) / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(compose(), json.loads(specification.read_text(encoding="utf-8")))


@pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))
def test_services_are_hardened_and_limited(service: dict[str, Any]) -> None:
    jsonschema.validate(service, RULES)


@pytest.mark.parametrize("service", OURS)
def test_what_images_are_built_from_is_there(service: str) -> None:
    build = SERVICES[service]["build"]
    dockerfile = ROOT / build["context"] / build["dockerfile"]
    assert dockerfile in DOCKERFILES
    declared = set(re.findall(r"^ARG (\w+)=", dockerfile.read_text(encoding="utf-8"), re.MULTILINE))
    assert set(build.get("args", {})) <= declared


def test_mounts_networks_and_dependencies_are_declared() -> None:
    parsed = compose()
    for name, service in SERVICES.items():
        assert set(service["networks"]) <= set(parsed["networks"])
        assert set(service.get("depends_on", {})) <= set(SERVICES) - {name}
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            # The pictures are the user's own; everything else is ours.
            assert source == "./pictures" or source in parsed["volumes"] or (ROOT / source).is_file()
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert set(parsed["volumes"]) <= used


def dockerfile_of(service: dict[str, Any]) -> str:
    """The text of what a service is built from."""
    dockerfile: str = service["build"]["dockerfile"]
    return (ROOT / dockerfile).read_text(encoding="utf-8")


def test_who_is_waited_for_can_become_what_is_waited_for() -> None:
    for service in SERVICES.values():
        for name, dependency in service.get("depends_on", {}).items():
            other = SERVICES[name]
            if dependency["condition"] == "service_healthy":
                assert "healthcheck" in other or "HEALTHCHECK" in dockerfile_of(other)
            else:
                assert "restart" not in other


@pytest.mark.parametrize("service", OURS)
@pytest.mark.parametrize("variables", [{}, example()], ids=["defaults", "example"])
def test_commands_are_understood(service: str, variables: dict[str, str]) -> None:
    line = [filled_in(part, variables) for part in SERVICES[service]["command"]]
    options = build_parser().parse_args(line)
    mounted = [volume.split(":")[1] for volume in SERVICES[service]["volumes"]]
    published = {int(ports.rsplit(":", 1)[1]) for ports in SERVICES[service].get("ports", [])}
    match line[0]:
        case "receive":
            assert options.model in REGISTRY
            assert published == {host_and_port(options.viewer)[1], int(options.listen[0].rsplit(":", 1)[1])}
            assert str(options.archive) in mounted
            assert byte_count(options.keep)
            assert listening() >= {public_url(url) for url in options.listen if url.startswith("mqtt")}
        case "send":
            assert options.link in LINKS
            assert options.loop
            assert options.to in listening()
            assert [str(path) for path in options.paths] == [mounted[0]]
        case "watch":
            assert options.to in listening()
            assert str(options.folder) in mounted
            assert str(options.outbox.parent) in mounted
            assert published == {host_and_port(options.http)[1]}


def listening() -> set[str]:
    """Where senders of this file reach a receiver: itself, and its streams at the broker, by their own user."""
    reached = set()
    for name in ("receiver", "receiver-gpu"):
        for url in (filled_in(part, {}) for part in SERVICES[name]["command"] if "://" in part):
            reached |= {url.replace("0.0.0.0", name), url.replace("receiver@", "sender@")}
    return reached


def test_all_transports_are_there() -> None:
    schemes = {url.partition("://")[0] for url in listening()}
    assert schemes == {"ws", "webrtc+http", "mqtt"}
    sent = {SERVICES[name]["command"][3].partition("://")[0] for name in OURS if "--to" in SERVICES[name]["command"]}
    assert sent == schemes


def test_every_variable_is_in_the_example_and_the_token_has_no_default() -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    assert set(re.findall(r"(?<!\$)\$\{(\w+):", text)) == set(example()) - {"COMPOSE_PROFILES"}
    assert example()["LAYERCAST_TOKEN"] == ""
    assert set(example()["COMPOSE_PROFILES"].split(",")) <= {
        name for service in SERVICES.values() for name in service["profiles"]
    }
    assert "${LAYERCAST_TOKEN:-" not in text
    assert all("LAYERCAST_TOKEN" in SERVICES[service]["environment"] for service in OURS)


def test_the_gpu_service_is_asked_for() -> None:
    devices = SERVICES["receiver-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert SERVICES["receiver-gpu"]["profiles"] == ["gpu"]
    assert devices == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    assert [name for name, service in SERVICES.items() if "deploy" in service] == ["receiver-gpu"]
    assert {name for name, service in SERVICES.items() if "gpu" in service["profiles"]} == {
        "receiver-gpu",
        "sender-gpu",
    }


def test_a_profile_starts_everything_that_its_services_wait_for() -> None:
    for service in SERVICES.values():
        for name in service.get("depends_on", {}):
            assert set(service["profiles"]) <= set(SERVICES[name]["profiles"])


def test_images_have_a_version() -> None:
    for service in SERVICES.values():
        image = filled_in(service["image"], {})
        assert re.fullmatch(r"[a-z-]+:\d+\.\d+\.\d+", image), image
    assert example()["LAYERCAST_VERSION"] == layercast.__version__


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile: their word and the rest."""
    text = re.sub(r"\\\n\s*", "", dockerfile.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_images_are_small_plain_users_and_understood(dockerfile: Path) -> None:
    steps = instructions(dockerfile)
    copied = [
        source
        for word, rest in steps
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    passed = [line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"]
    assert sorted(copied) == sorted(passed)
    # What a later commit brings must not be forgotten here.
    assert {path.parent.name for path in ROOT.glob("*/py.typed")} <= set(copied)
    assert all((ROOT / source).exists() for source in copied)
    bases = [rest for word, rest in steps if word == "FROM"]
    assert [base.split(" AS ")[0] for base in bases] == ["python:3.12.12-slim-bookworm"] * 2
    last = steps[max(place for place, (word, _) in enumerate(steps) if word == "FROM") :]
    # A number: orchestrators that refuse root cannot look up a name.
    user = dict(last)["USER"]
    assert f"useradd --uid {user} " in dict(last)["RUN"]
    entry = json.loads(dict(last)["ENTRYPOINT"])
    assert entry == ["layercast"]
    build_parser().parse_args(json.loads(dict(last)["CMD"]))
    environment = dict(pair.split("=", 1) for pair in dict(last)["ENV"].split())
    owned = re.findall(r"chown -R layercast:layercast (\S+)", dict(last)["RUN"])
    assert environment["NUMBA_CACHE_DIR"].startswith(owned[0])


def test_the_receiver_is_well_once_its_page_is() -> None:
    steps = dict(instructions(ROOT / "docker" / "receiver.Dockerfile"))
    command = SERVICES["receiver"]["command"]
    port = command[command.index("--viewer") + 1].rsplit(":", 1)[1]
    assert f"http://127.0.0.1:{port}/healthz" in steps["HEALTHCHECK"]
    page = (ROOT / "receiver" / "viewer" / "app.py").read_text(encoding="utf-8")
    assert '"/healthz"' in page


def test_the_broker_knows_its_users_and_keeps_what_it_has() -> None:
    lines = (ROOT / "docker" / "mosquitto.conf").read_text(encoding="utf-8").splitlines()
    settings = [line.split(" ", 1) for line in lines if line and not line.startswith("#")]
    chosen = {name: value for name, value in settings if name != "log_type"}
    assert (chosen["listener"], chosen["allow_anonymous"], chosen["persistence"]) == ("1883", "false", "true")
    mounted = [volume.split(":")[1] for volume in SERVICES["mosquitto"]["volumes"]]
    assert chosen["persistence_location"].rstrip("/") in mounted
    for file, name in (("password_file", "users"), ("acl_file", "rules")):
        folder = Path(chosen[file]).parent
        assert Path(chosen[file]).name == name
        assert str(folder) in mounted
        assert f"/broker-access.sh {folder}" in " ".join(SERVICES["access"]["command"])


def write_access(folder: Path, streams: str, **passwords: str) -> subprocess.CompletedProcess[str]:
    line = ["sh", str(ROOT / "docker" / "broker-access.sh"), str(folder), streams]
    # Debian keeps the broker's tools where only root looks.
    environment = {"PATH": f"{os.environ['PATH']}:/usr/sbin"} | passwords
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False)


@needs_mosquitto
def test_the_brokers_access_is_written_without_leaving_a_password(tmp_path: Path) -> None:
    done = write_access(
        tmp_path / "access", "camera,garden", LAYERCAST_TOKEN="secret", LAYERCAST_SENDER_PASSWORD="other"
    )
    assert done.returncode == 0, done.stderr
    files = {path.name: path.read_text() for path in (tmp_path / "access").iterdir()}
    assert sorted(files) == ["rules", "users"]
    assert [line.split(":")[0] for line in files["users"].splitlines()] == ["sender", "receiver", "watcher"]
    assert "secret" not in files["users"] + done.stdout + done.stderr
    assert "other" not in files["users"]
    for stream in ("camera", "garden"):
        assert f"topic write lc/1/{stream}/in/+" in files["rules"]
    missing = write_access(tmp_path / "access", "camera")
    assert missing.returncode != 0
    assert "set LAYERCAST_TOKEN" in missing.stderr


def let_everyone_read(folder: Path) -> None:
    """Open a folder to the broker, which runs as a user of its own."""
    for path in folder.iterdir():
        path.chmod(0o644)
    for one in (folder, *folder.parents[:2]):
        one.chmod(0o755)


@needs_mosquitto
async def test_what_the_access_script_writes_lets_each_do_its_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert write_access(tmp_path, "camera", LAYERCAST_TOKEN="secret").returncode == 0
    let_everyone_read(tmp_path)
    monkeypatch.setenv("LAYERCAST_MQTT_PASSWORD", "secret")
    settings = f"password_file {tmp_path}/users\nacl_file {tmp_path}/rules"
    with mosquitto(tmp_path, settings, anonymous=False) as broker:
        at = f"127.0.0.1:{broker.port}"
        with pytest.raises(AuthenticationError):
            await Server(f"mqtt://receiver@{at}/other", on_event=lambda _: None).__aenter__()
        async with (
            Server(f"mqtt://receiver@{at}/camera", on_event=lambda _: None),
            Sender(f"mqtt://sender@{at}/camera") as sender,
        ):
            section = OutgoingSection(layer=0, coder=0, payload=b"a red cat", urgency=0)
            assert (await sender.send_sections(b"head", [section])).complete


def has_compose() -> bool:
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "compose", "version"], capture_output=True).returncode == 0


@pytest.mark.skipif(not has_compose(), reason="docker compose is not installed")
def test_compose_itself_understands_the_file() -> None:
    line = ["docker", "compose", "--file", str(COMPOSE), "--profile", "*", "config", "--format", "json"]
    environment = os.environ | {"LAYERCAST_TOKEN": "secret"}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["services"]) == set(SERVICES)
