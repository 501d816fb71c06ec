"""`python hack/audit`: are the locked packages pinned, and is any of them known to be vulnerable?"""

import sys

from lockaudit.cli import main

sys.exit(main())
