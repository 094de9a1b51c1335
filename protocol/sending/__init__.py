"""The sending end: which packet leaves next, and which bytes it carries."""
