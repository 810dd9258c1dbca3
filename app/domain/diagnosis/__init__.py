"""What is wrong with a hostname's DNS, and what to change. Pure: one survey in, findings out."""
