"""Picture files: which formats are read, in how much memory, in which colours, and the texts that they carry."""
