"""The running server: sessions, rate limits, routing, control routes, start and stop."""
