"""Metrics of the quality of saliency maps: localisation, robustness, confidence, and curves over removed pixels."""
