"""What Nameplate starts on this machine when nobody gave it one: its own Postgres."""
