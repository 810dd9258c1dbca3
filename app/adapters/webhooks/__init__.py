"""Webhooks: signed after Standard Webhooks, sent to addresses that may be called."""
