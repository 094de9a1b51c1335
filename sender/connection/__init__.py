"""One connection to a receiver: sending pictures, reporting progress, reconnecting."""
