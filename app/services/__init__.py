"""The use cases. They own the transactions, and reach external systems only through `ports`."""
