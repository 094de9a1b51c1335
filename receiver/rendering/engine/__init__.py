"""The rendering engine: requests in, continuous batches of denoising steps, frames out."""
