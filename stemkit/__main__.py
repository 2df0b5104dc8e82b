"""`python -m stemkit`, where the command isn't on the PATH."""

from stemkit.cli.main import main

main()
