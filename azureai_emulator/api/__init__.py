"""The routes of the service: which requests they refuse, and how answers look."""
