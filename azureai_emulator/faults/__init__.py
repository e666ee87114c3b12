"""Faults on request: what they are, how they are written, how they disturb a stream."""
