"""Requests over httpx: clients, the pool below them, credentials, retries, and what observers are told."""
