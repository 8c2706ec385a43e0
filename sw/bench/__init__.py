"""Speed of networks on the processor: other engines and ours, side by side in one run."""
