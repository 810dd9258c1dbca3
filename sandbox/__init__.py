"""The whole product's outside on one machine: Cloudflare, DNS and a webhook receiver.

Shares no code with the service: both read the same facts, and neither reads the other.
Start it with `sandbox.server.run_sandbox`.
"""
