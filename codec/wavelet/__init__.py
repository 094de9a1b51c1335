"""Pictures as wavelet coefficients, and what is known of them bit plane by bit plane."""
