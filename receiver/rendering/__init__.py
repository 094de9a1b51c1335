"""Priors -> pictures, by a diffusion model. Importing this loads no torch."""
