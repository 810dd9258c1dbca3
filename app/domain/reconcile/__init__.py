"""What is decided of one custom hostname, from what was seen of it. Pure."""
