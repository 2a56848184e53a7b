"""`python -m ebpftrace`."""

import sys

from ebpftrace.cli.main import main

sys.exit(main())
