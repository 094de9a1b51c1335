"""Sources of pictures: files, and folders that are watched."""
