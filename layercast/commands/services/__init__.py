"""Subcommands that run until stopped: what `send --outbox` and `watch` do."""
