"""Metrics for Prometheus (prometheus_client)."""

from learnae.adapters.metrics.observer import Metrics, Sample

__all__ = ["Metrics", "Sample"]
