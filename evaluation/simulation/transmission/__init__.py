"""One cell of the grid: the shipped protocol, and FIFO rivals, over simulated links in virtual time."""
