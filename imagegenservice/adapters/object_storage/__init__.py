"""Each file keeps bytes in its own place."""
