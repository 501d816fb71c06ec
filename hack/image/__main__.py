"""`python hack/image`: Prunella's container image without Docker."""

import sys

from imagebuild.cli import main

sys.exit(main())
