"""The background processes: reconcilers and senders, any number of either over one Postgres."""
