"""Exchanges with a real endpoint: recorded to files and replayed from them."""
