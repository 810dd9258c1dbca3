"""DNS, asked in real packets."""
