"""One module per subcommand, each with `add_parser` and `run`; what they need is imported when they run."""
