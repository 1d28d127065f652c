"""Each file keeps documents in its own place."""
