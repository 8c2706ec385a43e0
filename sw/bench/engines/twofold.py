"""The CPU engine of this project."""

from importlib.metadata import version

import numpy as np

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.bench.job import Engine, Job, RefusedError, Run
from twofold.sw.cpu import CpuEngine, available_isas


class Twofold:
    """int8 networks, with weight and activation sparsity."""

    version = f"{version('twofold')} ({available_isas()[-1]})"

    def load(self, job: Job) -> Run:
        if job.precision != "int8":
            raise RefusedError("integers only")
        compiled = CpuEngine(QuantizedNetwork.load(job.artefact), job.threads)

        def run(inputs: np.ndarray) -> np.ndarray:
            return compiled.infer(inputs)[0]

        return run


def engine() -> Engine:
    """The engine."""
    return Twofold()
