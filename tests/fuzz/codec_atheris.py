"""Coverage-guided fuzzing of the codec with atheris.

pip install atheris
python -m tests.fuzz.codec_atheris -max_total_time=60 -max_len=400 -len_control=0 [libFuzzer options]
"""

import sys

import atheris

# Import these before instrumentation, because numba cannot compile instrumented functions.
import tests.support.pictures
from codec.coders.colors import payload as colors
from codec.coders.edges import payload as edges
from codec.coders.text import payload as text

COMPILED = (colors, edges, text, tests.support.pictures)

with atheris.instrument_imports(include=["codec"]):
    from tests.fuzz.choices import ScriptedChoices
    from tests.fuzz.codec import Input, Tally, choose, feed


def one_input(script: bytes) -> None:
    """Use the bytes as a stream, and as the choices of an input."""
    feed(Input("stream", script, cut=bool(len(script) % 2)), Tally())
    feed(choose(ScriptedChoices(script)), Tally())


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
