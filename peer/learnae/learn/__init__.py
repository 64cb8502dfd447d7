"""Datasets, network, training and averaging; the only package that imports torch."""
