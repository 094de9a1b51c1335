"""One module per subcommand, each with `add_parser` and `run`. Heavy modules are imported when `run` is called."""
