"""How near drawn pictures come to their originals, and what other formats make of the same bytes."""
