"""Benchmarks of speed: each figure beside its baseline, measured in one run."""
