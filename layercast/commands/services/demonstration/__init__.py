"""The demo: sender, slow link, receiver and page in one process."""
