"""Matplotlib figures: the overview, curves and contact sheets."""
