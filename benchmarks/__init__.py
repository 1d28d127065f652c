"""How fast the service is, and how much it holds: measured from outside, on a process of its own."""
