"""``python -m seewhy`` is the command line."""

from seewhy.cli import main

main()
