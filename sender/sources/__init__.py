"""Where pictures come from: files, and folders that are watched."""
