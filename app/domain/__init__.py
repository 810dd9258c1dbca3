"""The domain rules, all pure: frozen values in, new values out; no clock, no input or output."""
