"""How a model is used: numbers and choices, without its files. Loads no torch."""
