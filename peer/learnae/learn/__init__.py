"""Rows, network, training, averaging and blocks of weights.  The only package that imports torch."""
