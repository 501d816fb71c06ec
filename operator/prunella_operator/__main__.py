"""`python -m prunella_operator` is `prunella`."""

from prunella_operator.cli.main import main

main()
