"""The transports, the only I/O of the protocol: one module or folder per kind, behind the interface in `base.py`."""
