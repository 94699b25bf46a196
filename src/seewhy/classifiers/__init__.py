"""Classifier adapters. Each module wraps one kind of callable; preprocessing is hidden from the rest of the package."""
