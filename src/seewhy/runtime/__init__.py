"""What this machine runs and how: memory, ONNX graphs, code of the user's own."""
