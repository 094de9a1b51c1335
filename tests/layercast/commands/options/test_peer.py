"""Arguments of the commands that talk to a far side: certificates that can be read, and those that cannot."""

import argparse
import errno
import shutil
import ssl
from pathlib import Path

import pytest

from layercast.commands.options.peer import add_connecting, add_listening, certificate_of, shared_key_of, trust_of
from layercast_common.errors import StorageError, UsageError
from tests.support.transport_fixtures import certificate


def parse(*arguments: str) -> argparse.Namespace:
    """The arguments of a command that listens."""
    parser = argparse.ArgumentParser()
    add_listening(parser)
    return parser.parse_args(arguments)


def test_nothing_is_needed() -> None:
    options = parse()
    assert certificate_of(options) is None
    assert trust_of(options) is None
    assert shared_key_of(options) is None
    assert options.ice_server == []
    parser = argparse.ArgumentParser()
    add_connecting(parser)
    assert parser.parse_args(["--ice-server", "stun:a", "--ice-server", "stun:b"]).ice_server == ["stun:a", "stun:b"]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_certificates(tmp_path: Path) -> None:
    certificate(tmp_path)
    made, key = str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem")
    both = tmp_path / "both.pem"
    both.write_text(Path(made).read_text() + Path(key).read_text())
    assert isinstance(certificate_of(parse("--certificate", made, "--key", key)), ssl.SSLContext)
    assert isinstance(certificate_of(parse("--certificate", str(both))), ssl.SSLContext)
    trusted = trust_of(parse("--trust", made))
    assert trusted is not None
    assert len(trusted.get_ca_certs()) == 1
    with pytest.raises(UsageError, match=r"no certificate with its key in .*certificate\.pem: "):
        certificate_of(parse("--certificate", made))


def test_what_cannot_be_read(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    missing = tmp_path / "missing.pem"
    with pytest.raises(UsageError, match="--key needs a --certificate"):
        certificate_of(parse("--key", str(nonsense)))
    with pytest.raises(UsageError, match=r"no certificate with its key in .*nonsense\.pem: ."):
        certificate_of(parse("--certificate", str(nonsense)))
    with pytest.raises(UsageError, match=r"nonsense\.pem contains no certificates: ."):
        trust_of(parse("--trust", str(nonsense)))
    with pytest.raises(StorageError, match=r"missing\.pem cannot be read: No such file") as caught:
        certificate_of(parse("--certificate", str(missing)))
    assert caught.value.errno == errno.ENOENT
    with pytest.raises(StorageError, match=r"missing\.pem cannot be read: No such file"):
        trust_of(parse("--trust", str(missing)))


def test_a_shared_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a file, an option or the environment; a short one is refused, and not shown."""
    secret = tmp_path / "secret"
    secret.write_text("a secret of both sides\n")
    given = shared_key_of(parse("--shared-key-file", str(secret)))
    monkeypatch.setenv("LAYERCAST_SHARED_KEY", "a secret of both sides")
    inherited = shared_key_of(parse())
    assert given is not None
    assert inherited is not None
    assert given.hello().sign(b"packet") == inherited.hello().sign(b"packet")
    with pytest.raises(UsageError, match="a shared key has at least 16 bytes, not 5") as caught:
        shared_key_of(parse("--shared-key", "short"))
    assert "short" not in str(caught.value)
