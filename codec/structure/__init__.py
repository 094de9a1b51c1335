"""Lines of a picture: contours, their thinning, and how they are drawn on a grid."""
