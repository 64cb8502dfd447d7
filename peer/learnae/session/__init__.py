"""What a session asks for: settings, roster, faults, and what all its peers agree on."""
