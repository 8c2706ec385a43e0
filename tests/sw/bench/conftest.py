import numpy as np
import pytest

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped
from twofold.sw.bench.subjects import Subject, prepare, samples


@pytest.fixture(scope="session")
def inputs() -> np.ndarray:
    return samples("tiny", None)[0]


@pytest.fixture(scope="session")
def subjects(inputs: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subject]:
    found = prepare("tiny", inputs, tmp_path_factory.mktemp("subjects"))
    return {subject.name: subject for subject in found}


@pytest.fixture(scope="session", params=["dense", "fast"])
def quantized(request: pytest.FixtureRequest) -> QuantizedNetwork:
    return QuantizedNetwork.load(shipped("tiny", request.param))
