"""Options that several subcommands share: each module adds them to a parser and reads their values."""
