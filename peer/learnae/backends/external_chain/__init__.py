"""A session on a chain that others run too, with a spending cap."""
