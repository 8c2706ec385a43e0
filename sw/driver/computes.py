"""What an accelerator is to those who only send it samples: one here, or many elsewhere."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from twofold.sw.driver.ticket import Results


class Computes(Protocol):
    """Classifies samples of one network; thread-safe."""

    def submit(self, batch: NDArray[np.uint8], /) -> Any:
        """Start classifying samples uint8 ``[n, ...]``; returns a ticket without waiting."""
        ...

    def result(self, ticket: Any, /) -> Results:
        """Wait for a ticket's logits and labels. Raises TwofoldError."""
        ...
