"""The use cases. They own the transactions, and speak to the outside through `ports` alone."""
