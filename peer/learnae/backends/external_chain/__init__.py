"""A session on a chain that other people use too, with a spending cap."""
