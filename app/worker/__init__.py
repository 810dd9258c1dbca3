"""The background processes: a reconciler and a sender, any number of either over one Postgres."""
