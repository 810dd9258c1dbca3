"""Postgres: the tables, and one store per group of them. Alone in knowing SQL and the driver."""
