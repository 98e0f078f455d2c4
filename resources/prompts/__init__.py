"""The prompt library: see README.md."""
