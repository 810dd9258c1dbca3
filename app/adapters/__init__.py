"""One external system per module: its formats in, domain values and `domain/errors` out."""
