"""`python -m tamma_local`."""

import sys

from tamma_local.cli import main

sys.exit(main())
