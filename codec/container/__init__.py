"""The .lcast container: header, sections, whole streams."""
