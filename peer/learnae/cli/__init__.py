"""The commands: parse arguments, call the rooms below, print."""
