"""Ways for packets to travel: the only I/O of the protocol. One file per way, behind one seam (`base.py`)."""
