"""The denoising loop and its conditions."""
