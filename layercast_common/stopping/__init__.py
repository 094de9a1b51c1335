"""Ends a command soon after SIGTERM or Ctrl-C, whatever it is busy with, and leaves nothing half written.

The `layercast` command calls `handlers.start` once. After a signal it has a moment to end by itself. If a library does
not let go of the main thread, a second thread removes unfinished files, kills child processes and ends the process; if
a library does not even let go of the interpreter, the watchdog, a process of its own, does so.
"""
