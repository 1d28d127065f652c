"""Pictures in memory: decode, cut out, compose, encode. No I/O here."""
