"""One peer as a state machine: events in, actions out."""
