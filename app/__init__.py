"""Nameplate: your customers' own domains on your product, through Cloudflare for SaaS."""

__version__ = "0.1.0"
