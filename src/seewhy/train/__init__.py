"""Loops that learn what `seewhy.nets` describes, and write weights with a card."""
