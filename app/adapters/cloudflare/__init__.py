"""Cloudflare's API v4, as far as custom hostnames need it."""
