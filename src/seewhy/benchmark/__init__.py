"""Benchmark several methods on many images by several metrics."""
