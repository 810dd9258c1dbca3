"""DNS checks, made with real packets."""
