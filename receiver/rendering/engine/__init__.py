"""The rendering engine: requests in, batches of denoising steps, frames out."""
