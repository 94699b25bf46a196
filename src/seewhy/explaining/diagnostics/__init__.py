"""How far to trust the maps of an explanation, as measured on them."""
