"""Search for the smallest regions that matter."""
