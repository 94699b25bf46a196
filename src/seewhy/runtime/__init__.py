"""What lets this machine answer queries as fast as it can, without changing an answer."""
