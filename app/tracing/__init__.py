"""Traces by OpenTelemetry, an extra that only this package imports."""
