"""`python -m sarto`: the command line."""

import sys

from .cli import main

sys.exit(main())
