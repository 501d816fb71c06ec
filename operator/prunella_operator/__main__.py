"""`python -m prunella_operator` is `prunella`."""

from prunella_operator.cli import main

main()
