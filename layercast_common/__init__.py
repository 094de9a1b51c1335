"""Foundations shared by all packages: errors, files, URLs, background tasks, HTTP. Imports no other package."""
