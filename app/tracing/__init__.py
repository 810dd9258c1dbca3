"""Traces by OpenTelemetry: an extra, which nothing else imports."""
