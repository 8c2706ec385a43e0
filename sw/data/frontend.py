"""Front ends: how sound becomes the bytes that a network sees.

A network is trained behind one of them and names it in its artefact
(``QuantizedNetwork.input["front_end"]``); everything that turns audio into the network's input asks
`front_end` for it.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from twofold.sw.data.audio import Samples
from twofold.sw.data.features import log_mel
from twofold.sw.errors import ArtefactError

FrontEnd = Callable[[Samples], NDArray[np.uint8]]

_FRONT_ENDS: dict[str, FrontEnd] = {"log-mel-1": log_mel}
FRONT_ENDS = tuple(_FRONT_ENDS)


def front_end(name: str) -> FrontEnd:
    """Features of clips by the front end ``name``: samples float32 [16000] or [N, 16000] at 16 kHz
    to uint8 [32, 32] or [N, 32, 32] (frame, mel band).

    Raises ArtefactError for an unknown name.
    """
    if name not in _FRONT_ENDS:
        raise ArtefactError(
            f"front end is {name!r}, this program knows {', '.join(FRONT_ENDS)}; "
            "install a newer version"
        )
    return _FRONT_ENDS[name]
