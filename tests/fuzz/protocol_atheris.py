"""Coverage-guided fuzzing of the protocol with atheris.

pip install atheris
python -m tests.fuzz.protocol_atheris -max_total_time=60 -max_len=800 -len_control=0 [libFuzzer options]
"""

import sys

import atheris

with atheris.instrument_imports(include=["protocol"]):
    from tests.fuzz.choices import ScriptedChoices
    from tests.fuzz.protocol import CONVERSATION, Tally, fuzz_conversation, fuzz_decoding


def one_input(script: bytes) -> None:
    """Use the bytes as a packet, and as the choices of a conversation."""
    fuzz_decoding(script, Tally())
    # Few bytes script only few turns; all further turns would be equal.
    fuzz_conversation(ScriptedChoices(script), Tally(), min(CONVERSATION, len(script) // 4))


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
