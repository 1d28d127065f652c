"""Each file reaches the shop its own way."""
