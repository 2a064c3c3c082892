"""Presets: each file's `get_config()` states what differs from the default."""
