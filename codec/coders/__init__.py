"""Priors <-> payloads: one module or folder for each payload format, and the entropy coder below them."""
