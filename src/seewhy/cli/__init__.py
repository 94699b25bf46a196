"""The command line: one command, one file."""

from seewhy.cli.app import main

__all__ = ["main"]
