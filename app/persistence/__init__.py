"""Postgres: the tables, and one store per group of tables. Only this package knows SQL."""
