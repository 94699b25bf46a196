"""Measure or train what the bottleneck methods need to know about a network."""
