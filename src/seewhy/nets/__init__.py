"""Network shapes and forward passes; weights are safetensors with a JSON card beside them. No training here."""
