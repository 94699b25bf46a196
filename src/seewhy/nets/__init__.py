"""Network architectures and forward passes; weights are safetensors files with a JSON card. No training code here."""
