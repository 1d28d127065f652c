"""Each file draws a commission its own way."""
