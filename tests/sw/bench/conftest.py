import numpy as np
import pytest

from sw.artefacts import QuantizedNetwork
from sw.artefacts.shipped import shipped
from sw.bench.subjects import Subject, prepare, words


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    return words("tiny", None)[0]


@pytest.fixture(scope="session")
def subjects(images: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subject]:
    found = prepare("tiny", images, tmp_path_factory.mktemp("subjects"))
    return {subject.name: subject for subject in found}


@pytest.fixture(scope="session", params=["dense", "fast"])
def quantized(request: pytest.FixtureRequest) -> QuantizedNetwork:
    return QuantizedNetwork.load(shipped("tiny", request.param))
