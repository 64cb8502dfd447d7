"""One library each, translated to the ports.  Adapters never import each other nor ``learn``."""
