"""Apache TVM: compiled for this processor and one batch, tuned by MetaSchedule.

Tuning takes minutes, so what it finds is kept in the cache and used by later runs. Kernels depend
on shapes alone: networks of equal shape share it.
"""

import importlib
import os
import shutil
from typing import Any

os.environ["TVM_BIND_THREADS"] = "0"  # or the main thread is pinned to a processor

import numpy as np
import onnx

from sw.bench.job import Engine, Job, RefusedError, Run

tvm: Any = importlib.import_module("tvm")  # optional: only with the extra `bench`
relax: Any = importlib.import_module("tvm.relax")
frontend: Any = importlib.import_module("tvm.relax.frontend.onnx")

TUNED_BATCHES = (1, 64)
"""Batches worth the minutes."""


class Tvm:
    """Relax virtual machines."""

    version: str = tvm.__version__

    def __init__(self) -> None:
        self._cores = len(os.sched_getaffinity(0))
        described = tvm.get_global_func("target.llvm_get_system_cpu")()
        self._target = tvm.target.Target(
            {"kind": "llvm", "mcpu": described, "num-cores": self._cores}
        )

    def load(self, job: Job) -> Run:
        if job.precision != "fp32":
            raise RefusedError("has no int8 kernels: would compute in floating point")
        if job.batch not in TUNED_BATCHES:
            raise RefusedError("tuned for batches 1 and 64 only")
        model = onnx.load(str(job.model))
        shape = [side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim]
        module = frontend.from_onnx(model, shape_dict={"image": [job.batch, *shape[1:]]})
        machine = relax.VirtualMachine(
            tvm.compile(self._tuned(module, job), target=self._target), tvm.cpu()
        )
        configure = tvm.get_global_func("runtime.config_threadpool")

        def run(images: np.ndarray) -> np.ndarray:
            configure(1, job.threads)
            return machine["main"](tvm.runtime.tensor(images)).numpy()

        return run

    def _tuned(self, module: Any, job: Job) -> Any:
        found = job.cache / f"tvm-{self.version}-{job.batch}-{self._cores}"
        if not found.is_dir():
            if not job.tuning:
                raise RefusedError("not tuned for this processor yet; a run without --quick does")
            scratch = found.with_name(f".{found.name}.{os.getpid()}")
            try:
                self._lowered(module, str(scratch), job.tuning)
                scratch.rename(found)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        return self._lowered(module, str(found), 0)

    def _lowered(self, module: Any, folder: str, trials: int) -> Any:
        pipeline = relax.get_pipeline(
            "static_shape_tuning", target=self._target, total_trials=trials, work_dir=folder
        )
        return pipeline(module)


def engine() -> Engine:
    """The engine."""
    return Tvm()
