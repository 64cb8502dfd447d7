"""The commands: parse arguments, call the packages below, print."""
