"""Prior <-> payload: one module for each format that a section's payload may have."""
