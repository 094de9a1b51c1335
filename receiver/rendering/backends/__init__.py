"""Runtimes that replace plain torch, and the choice between them."""
