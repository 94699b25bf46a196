"""Core contracts and data types: classifier, in-fill, probe, target, maps.

Depends on NumPy, PyTorch and, for statistics, SciPy; no file or network access.
"""
