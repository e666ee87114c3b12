"""Decisions that the adapters of both frameworks share."""
