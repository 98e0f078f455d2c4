"""Weights that ship with Sarto: see README.md."""
