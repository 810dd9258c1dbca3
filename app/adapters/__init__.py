"""One foreign system each: wire shapes in, domain values and `domain/errors.py` out."""
