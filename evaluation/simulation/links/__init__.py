"""Links in the vocabulary of `tc netem`: what happens to each packet, and when it arrives."""
