"""One tick of one custom hostname: read, ask, decide, record, act."""
