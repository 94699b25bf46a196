"""Explain one image, check the explanation, score it, and find its smallest regions."""
