"""Live audio: streams of samples in, windows with their logits and words with their times out.

`Streams` classifies the sliding windows of many streams on one accelerator; `Decider` turns the
windows of a stream into words.
"""

from twofold.sw.live.decide import Decider, Word
from twofold.sw.live.streams import Stream, Streams
from twofold.sw.live.window import Window

__all__ = ["Decider", "Stream", "Streams", "Window", "Word"]
