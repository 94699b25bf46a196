"""Core contracts and data types: classifier, in-fill, probe, target, maps.

Depends on NumPy and PyTorch only; no file or network access.
"""
