"""A fleet of names in virtual time: the real services and Postgres over the emulated Cloudflare."""
