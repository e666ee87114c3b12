"""The wire formats, as pure functions: payload to body, body to answer, bytes to deltas, error bodies to details."""
