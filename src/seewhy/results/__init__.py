"""What seewhy finds, as typed values, and the folders they are kept in."""
