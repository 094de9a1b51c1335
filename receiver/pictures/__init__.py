"""Pictures on their way through a receiver: incoming, unreadable, finished."""
