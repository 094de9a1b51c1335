"""Prompts in ComfyUI's graphs of nodes, and in the workflows of its editor."""
