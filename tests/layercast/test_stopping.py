"""SIGTERM and Ctrl-C end a command soon, whatever it is busy with, and leave no unfinished file and no process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from layercast_common.stopping.processes import session_members
from layercast_common.stopping.timing import REPEAT

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the steps below are those of Linux")

#: What keeps a command busy while it writes a file.
STEPS = {
    # A library that lets other threads run, such as torch, and one that does not, such as the decoder of WebP.
    "native": "lock = ctypes.CDLL(None).pthread_mutex_lock; lock(MUTEX); print(1, flush=True); lock(MUTEX)",
    "interpreter": "lock = ctypes.PyDLL(None).pthread_mutex_lock; lock(MUTEX); print(1, flush=True); lock(MUTEX)",
    # An error in a callback of a library is reported and forgotten.
    "deaf": "subprocess.Popen(['sleep', '600']); deaf()",
    # The same, where nothing but another signal may end the command.
    "patient": "deaf()",
    "none": "print(1, flush=True); time.sleep(600)",
}

_PROGRAM = """
import ctypes, os, signal, subprocess, sys, time
from pathlib import Path
import layercast.cli
import layercast.commands.info
from layercast_common.stopping import timing, watchdog
from layercast_common.files import save_whole

def deaf():
    busy = False
    while True:
        try:
            # A signal may follow at once: no step between this line and the next may be outside the block.
            if not busy:
                busy = True
                print(1, flush=True)
            time.sleep(600)
        except BaseException:
            pass

def replace(self, target):
    assert self.exists()
    exec(text)

step, text = sys.argv.pop(1), sys.argv.pop(1)
# On a busy machine everything takes longer. Only the last wait may end before what it waits for.
timing.GRACE = 600.0 if step in ("none", "patient") else timing.GRACE
watchdog.LAST_WAIT = watchdog.LAST_WAIT if step == "interpreter" else 600.0
MUTEX = ctypes.create_string_buffer(64)
Path.replace = replace
# A command that loads no library.
layercast.commands.info.run = lambda options: save_whole(b'content', options.files[0])
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(layercast.cli.main())
"""


def start(step: str, *line: object) -> subprocess.Popen[bytes]:
    """Start a command that is busy with a step once it writes a file; return when it is."""
    command = [sys.executable, "-c", _PROGRAM, step, STEPS[step], *map(str, line)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"1\n"
    return process


def assert_all_gone(session: int, folder: Path) -> None:
    """Check that nothing is left. The watchdog cleans up a moment after the command has ended."""
    end = time.monotonic() + 60
    while (session_members(session) or list(folder.iterdir())) and time.monotonic() < end:
        time.sleep(0.02)
    assert not session_members(session)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("step", [step for step in STEPS if step != "patient"])
def test_a_command_ends_whatever_it_is_busy_with(step: str, number: signal.Signals, tmp_path: Path) -> None:
    process = start(step, "info", tmp_path / "file")
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    # The interpreter cannot choose the exit code while a library keeps it. The signal may come just before that.
    killed = step == "interpreter" and process.returncode == -signal.SIGKILL
    assert killed or process.returncode == 128 + number
    assert b"Traceback" not in errors
    if not killed:
        assert errors == b"layercast: stopped\n"
    assert_all_gone(process.pid, tmp_path)


def test_a_second_signal_ends_a_command_at_once(tmp_path: Path) -> None:
    process = start("patient", "info", tmp_path / "file")
    process.send_signal(signal.SIGINT)
    time.sleep(REPEAT)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (128 + signal.SIGTERM, b"layercast: stopped\n")
    assert_all_gone(process.pid, tmp_path)


def test_the_watchdog_cleans_up_after_a_command_that_is_killed(tmp_path: Path) -> None:
    process = start("native", "info", tmp_path / "file")
    assert len(list(tmp_path.iterdir())) == 1
    process.kill()
    process.communicate(timeout=120)
    assert_all_gone(process.pid, tmp_path)


#: A model whose loading takes ten minutes, in code that no signal interrupts.
_LOADING = """
import sys, time
import receiver.receiver
from layercast.cli import main

def load(self, model):
    print("loading", flush=True)
    end = time.monotonic() + 600
    while time.monotonic() < end:
        time.sleep(0.01)

receiver.drawing._start = load
sys.argv[1:] = ["receive", "--listen", "ws://127.0.0.1:0", "--viewer", "none", "-q", "--archive", sys.argv[1]]
sys.exit(main())
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_loading_delays_no_signal(number: signal.Signals, code: int, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _LOADING, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == b"loading\n"
        one.send_signal(number)
        # A busy machine may need the whole grace.
        assert one.wait(timeout=120) in {code, 128 + number}
