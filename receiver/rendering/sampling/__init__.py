"""The denoising loop and what conditions it."""
