"""Checks, figures and statistics of a history."""
