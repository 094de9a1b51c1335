"""The `.lcast` container: header, sections, and reading and writing them."""
