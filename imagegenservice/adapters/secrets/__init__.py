"""Each file reads a secret from its own place."""
