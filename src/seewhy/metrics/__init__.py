"""Metrics of the quality of saliency maps: one per file."""
