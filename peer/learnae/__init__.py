"""LEARNAE: a testbed for paid peer-to-peer training of neural networks."""
