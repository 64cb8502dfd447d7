"""The definition of a session: settings, roster, faults, and what all its peers agree on."""
