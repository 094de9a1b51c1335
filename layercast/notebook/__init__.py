"""Pictures in Jupyter notebooks, with the extra `notebook`."""
