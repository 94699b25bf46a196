"""Metrics: how good is a map? One idea, one file."""
