"""What was asked for: settings, roster, fault plan, manifest."""
