"""What each part of `sarto train` does. The docstrings of its functions are shown by `--help`."""
