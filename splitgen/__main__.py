"""`python -m splitgen`."""

from splitgen.cli import main

main()
