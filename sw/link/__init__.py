"""Boards on a serial line: requests and answers, and the device that they make."""
