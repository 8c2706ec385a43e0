"""Apache TVM: compiled for this CPU and one batch size, tuned by MetaSchedule.

Tuning takes minutes, so its results are cached for later runs. Kernels depend only on shapes, so
networks of equal shape share them.
"""

import importlib
import os
from pathlib import Path
from typing import Any

os.environ["TVM_BIND_THREADS"] = "0"  # otherwise the main thread is pinned to one CPU
os.environ["TVM_NUM_THREADS"] = str(len(os.sched_getaffinity(0)))  # the default is half of them

import numpy as np
import onnx

from twofold.hw.contract.cache import cached, digest
from twofold.sw.bench.job import Engine, Job, RefusedError, Run
from twofold.sw.bench.tuning import tuned_tasks

tvm: Any = importlib.import_module("tvm")  # optional: only with the extra `bench`
relax: Any = importlib.import_module("tvm.relax")
schedule: Any = importlib.import_module("tvm.s_tir.meta_schedule")
importlib.import_module("xgboost")  # needed for tuning
frontend: Any = importlib.import_module("tvm.relax.frontend.onnx")

TUNED_BATCHES = (1, 64)
"""Batch sizes worth the tuning time."""
TRIALS_AT_A_TIME = 16
TIMEOUT = 600.0
"""Timeout of a trial in seconds; its process imports all of TVM first."""


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
        kernels = f"tvm-{self.version}-{_shapes(model)}-{job.batch}-{self._cores}"
        tuned = self._tuned(module, job, job.cache / kernels)
        machine = relax.VirtualMachine(tvm.compile(tuned, target=self._target), tvm.cpu())
        configure = tvm.get_global_func("runtime.config_threadpool")

        def run(inputs: np.ndarray) -> np.ndarray:
            configure(1, job.threads)
            return machine["main"](tvm.runtime.tensor(inputs)).numpy()

        return run

    def _tuned(self, module: Any, job: Job, found: Path) -> Any:
        """The module with the best known kernels; tunes first if there are none."""
        with self._target:
            lowered = tvm.transform.Sequential(
                [
                    relax.transform.DecomposeOpsForInference(),
                    relax.transform.CanonicalizeBindings(),
                    relax.get_pipeline("zero"),
                ]
            )(module)
            if not found.is_dir():
                self._tune(lowered, found, job.tuning)
            return relax.transform.MetaScheduleApplyDatabase(str(found))(lowered)

    def _tune(self, module: Any, found: Path, trials: int) -> None:
        """Tune, and write the results to the folder ``found`` atomically."""
        if not trials:
            raise RefusedError("not tuned for this processor yet; a run without --quick does")

        def make(scratch: Path) -> None:
            schedule.relax_integration.tune_relax(
                module,
                params={},
                target=self._target,
                work_dir=str(scratch),
                max_trials_global=trials,
                num_trials_per_iter=TRIALS_AT_A_TIME,
                builder=schedule.builder.LocalBuilder(timeout_sec=TIMEOUT),
                runner=schedule.runner.LocalRunner(timeout_sec=TIMEOUT),
                seed=1,
            )
            tuned, tasks = tuned_tasks(scratch)
            if 2 * tuned < tasks:
                raise RefusedError(f"tuning found kernels for {tuned} of {tasks} parts only")

        cached(found, make)


def _shapes(model: onnx.ModelProto) -> str:
    """Digest of the shapes of all weights."""
    return digest([repr([list(weight.dims) for weight in model.graph.initializer])])


def engine() -> Engine:
    """The engine."""
    return Tvm()
