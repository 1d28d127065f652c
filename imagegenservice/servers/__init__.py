"""The doors: parse, call the core, translate; nothing else."""
