"""Speed, measured side by side: each figure beside its baseline, in one run."""
