"""Winners: the k largest values of each of many vectors at once, ties to the lower index."""

import numpy as np


def keep_winners(values: np.ndarray, k: int) -> None:
    """Set all but the ``k`` winners to 0, in place.

    ``values`` is uint8 ``[channels, ...]``; ``k`` is less than the number of channels. Channels
    compete separately at every index of the other axes: higher value first, ties to the lower
    channel.
    """
    channels = len(values)
    flat = values.reshape(channels, values[0].size)
    keys = flat.T.astype(np.int32) * channels
    keys += np.arange(channels - 1, -1, -1, dtype=np.int32)
    threshold = np.partition(keys, channels - k, axis=1)[:, channels - k, np.newaxis]
    flat *= (keys >= threshold).T
