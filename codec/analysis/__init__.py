"""Picture -> priors."""
