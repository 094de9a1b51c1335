"""What every package uses: errors, files, addresses, background tasks, small HTTP servers. Imports no other package."""
