"""Loss recovery and congestion control: RTT, pacing, loss detection, acknowledgements, FEC."""
