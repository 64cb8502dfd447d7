"""Datasets, network, training and averaging; the only room that imports torch."""
