"""Training loops that write the weights and cards that `seewhy.nets` and `seewhy.infills` read."""
