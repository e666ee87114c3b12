"""Requests over httpx: clients, the pool below them, credentials, retries."""
