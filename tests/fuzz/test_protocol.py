"""A short run of the protocol fuzzer; `python -m tests.fuzz.protocol` runs it at length."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.choices import RandomChoices, ScriptedChoices
from tests.fuzz.packets import KINDS, hostile_bytes, packet
from tests.fuzz.protocol import Tally, fuzz_conversation, fuzz_decoding, main


def test_a_few_thousand_packets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--inputs", "10000", "--seed", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["inputs"] >= 10_000
    assert report["outcomes"]["decoded"] > 5000
    assert report["outcomes"]["malformed"] > 100


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=600))
def test_conversations_that_hypothesis_chooses(script: bytes) -> None:
    fuzz_conversation(ScriptedChoices(script), Tally(), 60)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=1500))
def test_bytes_that_hypothesis_chooses(data: bytes) -> None:
    fuzz_decoding(data, Tally())


@pytest.mark.parametrize("name", [kind.cls.__name__ for kind in KINDS])
def test_every_kind_of_packet_is_made_and_bent(name: str) -> None:
    choices, tally = RandomChoices(1), Tally()
    for _ in range(50):
        made = packet(choices, name)
        assert type(made).__name__ == name
        fuzz_decoding(hostile_bytes(choices, made), tally)
    assert tally.outcomes["malformed"] > 10
