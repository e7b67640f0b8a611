"""Training, validation and the command line: all that needs data, a device or a person."""
