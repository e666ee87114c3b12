"""What writes the answers: rules, a small local model, scripted replies."""
