"""Runtimes: how networks are executed on this machine, the runtime cache, ONNX graphs, and imports of user code."""
