"""One arrival as a single file that anyone can open without a server: a page, or an animation."""
