"""The work behind the subcommands that run for a long time, apart from their options."""
