"""What can stand where something was removed: one idea, one file."""
