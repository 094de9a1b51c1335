"""TCP as Linux runs it, in virtual time: segments, acknowledgements, timers. Slow links notice each of them."""
