"""Picture <-> priors <-> bytes."""
