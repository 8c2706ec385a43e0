"""Speed of networks on the CPU: other engines and ours, side by side in one run."""
