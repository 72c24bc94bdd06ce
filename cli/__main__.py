"""`python -m strive.cli`: the same as the `strive` command."""

from strive.cli.main import main

main()
