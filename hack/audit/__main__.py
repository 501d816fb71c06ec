"""`python hack/audit`: check that all packages are pinned by hash and have no known vulnerability."""

import sys

from lockaudit.cli import main

sys.exit(main())
