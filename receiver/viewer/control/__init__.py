"""What visitors of the page may do where the operator allows it: redraw pictures, change the link, send pictures."""
