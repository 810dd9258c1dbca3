"""What every HTTP interface shares: authentication, problem responses, limits, cursors."""
