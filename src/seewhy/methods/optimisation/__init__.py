"""Optimised masks: learn what to keep or remove."""
