"""Decisions about one custom hostname, from what was observed of it. Pure."""
