"""Settings for every test."""

import torch

torch.set_num_threads(1)  # tiny networks: a second thread costs more than it brings
