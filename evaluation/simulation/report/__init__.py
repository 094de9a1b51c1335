"""Reports of a simulation: events, tables, plots, and a page that needs no network."""
