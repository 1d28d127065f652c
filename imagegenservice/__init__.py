"""Turns the cart of a shop into one picture of those very products."""
