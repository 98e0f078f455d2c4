"""`python -m sarto`: the command line."""

import sys

try:
    from .cli import main

    status = main()
except KeyboardInterrupt:  # while the libraries are loaded
    print("sarto: Cancelled.", file=sys.stderr)
    status = 130
sys.exit(status)
