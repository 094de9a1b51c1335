"""Lines of a picture: contours, drawing them on a grid, and thinning."""
