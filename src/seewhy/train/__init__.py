"""Training loops for the networks in `seewhy.nets`. Each one writes weights and a JSON card."""
