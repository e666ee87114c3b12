"""Work in many requests: large embedding jobs, and callables that map over the columns of a batch."""
