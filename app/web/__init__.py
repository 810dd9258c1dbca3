"""What every HTTP face shares: who calls, problems and statuses, limits, cursors."""
