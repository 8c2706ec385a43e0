"""Data: audio files, log-mel features, Google Speech Commands and rendered speech."""
