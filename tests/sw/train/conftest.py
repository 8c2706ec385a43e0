"""One thread: sums keep their order, and tests that run side by side do not fight over cores."""

import torch

torch.set_num_threads(1)
