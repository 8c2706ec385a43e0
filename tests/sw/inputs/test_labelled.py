"""Samples with classes: arrays, folders, the layout of Speech Commands, and examples."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from twofold.hw.contract.network import Network
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.data.options import DATA_VARIABLE
from twofold.sw.errors import ArtefactError, DatasetError, InputError
from twofold.sw.inputs import default_data, read_labelled
from twofold.sw.inputs.folders import speech_clips
from twofold.sw.inputs.labels import as_labels, balanced

Image = pytest.importorskip("PIL.Image")

X = np.random.default_rng(0).integers(0, 256, (4, 1, 8, 8), dtype=np.uint8)
Y = np.array([3, 0, 9, 3])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Recordings in the layout of Speech Commands, with lists."""
    for at, name in enumerate(("yes/a_0", "yes/b_0", "go/c_0", "bed/a_0", "zebra/a_0")):
        path = tmp_path / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, np.random.default_rng(at).normal(0, 0.1, 16_000), 16_000)
    (tmp_path / "validation_list.txt").write_text("yes/b_0.wav\n")
    (tmp_path / "testing_list.txt").write_text("go/c_0.wav\nbed/a_0.wav\n")
    return tmp_path


@pytest.mark.parametrize("labels", [Y, Y[:, None], Y.astype(str), Y.astype("S"), Y.astype("u1")])
def test_two_arrays(array: QuantizedNetwork, tmp_path: Path, labels: np.ndarray):
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", labels)
    found = read_labelled(array, [tmp_path / "x.npy", tmp_path / "y.npy"])
    np.testing.assert_array_equal(found.samples, X)
    assert found.labels.tolist() == Y.tolist() and found.labels.dtype == np.int64
    assert found.names[2] == f"{tmp_path}/x.npy[2]"
    np.savez(tmp_path / "both.npz", y=labels, x=X)
    found = read_labelled(array, [tmp_path / "both.npz"], split="all")
    np.testing.assert_array_equal(found.samples, X)
    assert found.labels.tolist() == Y.tolist()


def test_classes_by_their_names_and_not_by_position(coloured: QuantizedNetwork):
    names = np.array(["dog", "cat", "dog"])
    assert as_labels(coloured, names, 3, "y").tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.arange(3), r"labels of shape \[3\] for 4 samples, needs \[4\]"),
        (np.eye(4), r"shape \[4, 4\].*y\.argmax\(axis=1\)"),
        (np.array([0, 1, 10, 2]), r"label 10 of sample 2, tiny-fast has classes 0\.\.9"),
        (np.array([0, -1, 1, 2]), "label -1 of sample 1"),
        (np.zeros(4), "holds float64, needs integers or names of classes"),
        (np.array(["0", "x", "1", "ten"]), "'ten', 'x': no class of tiny-fast is called so"),
        (np.array([b"0", b"\xff", b"1", b"2"]), "no class"),
    ],
)
def test_labels_that_do_not_fit(array: QuantizedNetwork, labels: np.ndarray, message: str):
    with pytest.raises(DatasetError, match=message):
        as_labels(array, labels, 4, "y")


def test_forms_that_are_none(array: QuantizedNetwork, tmp_path: Path):
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "x.npz", x=X)
    for names in (["x.npy"], ["x.npy"] * 3, ["x.npz"], ["x.npz", "x.npy"], ["none.txt"]):
        with pytest.raises(DatasetError, match=r"give x\.npy y\.npy, a \.npz with x and y, or a"):
            read_labelled(array, [tmp_path / name for name in names])
    with pytest.raises(DatasetError, match="no data for tiny-fast: give"):
        read_labelled(array)
    with pytest.raises(DatasetError, match="has no splits, so there is no split 'val'"):
        read_labelled(array, [tmp_path / "x.npy"] * 2, split="val")
    with pytest.raises(InputError, match="no such file"):
        read_labelled(array, [tmp_path / "none.npy"] * 2)
    with pytest.raises(DatasetError, match="split is 'dev', choose one of train, val, test, all"):
        read_labelled(array, split="dev")


def test_examples_that_come_with_twofold(digits: QuantizedNetwork):
    assert len(read_labelled(digits).samples) == 359
    assert len(read_labelled(digits, split="val").samples) == 180
    few = read_labelled(digits, count=20)
    assert few.samples.shape == (20, 1, 8, 8) and set(Counter(few.names).values()) == {2}
    assert [int(name) for name in few.names] == few.labels.tolist()
    larger = replace(digits, network=replace(digits.network, input_shape=(1, 10, 10)))
    with pytest.raises(ArtefactError, match=r"digits of 8 x 8 pixels in 10 classes, it takes \[1"):
        read_labelled(larger)
    other = replace(digits, input={"kind": "picture", "examples": "faces"})
    with pytest.raises(DatasetError, match="no data for"):
        read_labelled(other)


def test_a_folder_of_pictures(coloured: QuantizedNetwork, tmp_path: Path):
    pixels = np.random.default_rng(1).integers(0, 256, (3, 4, 6, 3), dtype=np.uint8)
    for name, values in zip(("dog/b.png", "cat/a.png", "dog/a.png"), pixels, strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(values).save(tmp_path / name)
    (tmp_path / "dog/._a.png").write_bytes(b"\0\5\x16\7")
    (tmp_path / ".git").mkdir()
    (tmp_path / "readme.txt").write_text("pets")
    np.save(tmp_path / "cat/more.npy", pixels[:2].transpose(0, 3, 1, 2))
    found = read_labelled(coloured, [tmp_path])
    assert found.names == ("cat/a.png", "cat/more.npy[0]", "cat/more.npy[1]",
                           "dog/a.png", "dog/b.png")  # fmt: skip
    assert found.labels.tolist() == [0, 0, 0, 1, 1]
    np.testing.assert_array_equal(found.samples[4], pixels[0].transpose(2, 0, 1))
    assert read_labelled(coloured, [tmp_path], count=2).labels.tolist() in ([0, 1], [1, 0])


def test_folders_that_are_no_classes(coloured: QuantizedNetwork, tmp_path: Path):
    with pytest.raises(DatasetError, match="has no folders for classes"):
        read_labelled(coloured, [tmp_path])
    for name in ("cat", "horse", "0"):
        (tmp_path / name).mkdir()
    with pytest.raises(DatasetError, match=r"'0', 'horse': no class of pets.*'cat', 'dog'"):
        read_labelled(coloured, [tmp_path])
    (tmp_path / "horse").rmdir()
    (tmp_path / "0").rmdir()
    with pytest.raises(DatasetError, match="no files in the folders of its classes"):
        read_labelled(coloured, [tmp_path])
    for name in ("a.png", "b.jpg"):
        (tmp_path / "cat" / name).write_bytes(b"none")
    with pytest.raises(DatasetError, match=r"2 files cannot be used.*a\.png.*b\.jpg"):
        read_labelled(coloured, [tmp_path])


def test_speech_is_labelled_by_the_names_of_the_classes(speech, folder: Path):
    labels = speech.network.labels
    everything = read_labelled(speech, [folder], split="all")
    found = {
        (name, labels[at]) for name, at in zip(everything.names, everything.labels, strict=True)
    }
    assert found == {("yes", "yes"), ("go", "go"), ("bed", "unknown"), ("zebra", "unknown")}
    assert read_labelled(speech, [folder]).source == "Google Speech Commands, test split"
    assert read_labelled(speech, [folder]).names == ("bed", "go")
    turned = replace(speech, network=_relabelled(speech.network, tuple(reversed(labels))))
    again = read_labelled(turned, [folder], split="all")
    assert again.labels.tolist() == [11 - at for at in everything.labels]
    np.testing.assert_array_equal(again.samples, everything.samples)


def _relabelled(network: Network, labels: tuple[str, ...]) -> Network:
    return replace(network, labels=labels)


def test_words_of_a_network_without_unknown(speech, folder: Path):
    """Words of the data set are left out; a word that nobody knows is named."""
    words = ("go", "bed", *(f"word{at}" for at in range(10)))
    own = replace(speech, network=_relabelled(speech.network, words))
    with pytest.raises(DatasetError, match=r"'zebra': no class of gsc-fast is called so.*'bed'"):
        speech_clips(own, folder, "all")
    clips, split = speech_clips(own, folder, None)
    assert split == "test" and [clip.label for clip in clips] == [1, 0]
    (folder / "zebra/a_0.wav").unlink()
    assert {clip.word for clip in speech_clips(own, folder, "all")[0]} == {"bed", "go"}
    with pytest.raises(DatasetError, match=r"no clips of gsc-fast's words in split 'val'"):
        speech_clips(own, folder, "val")
    none = replace(speech, network=_relabelled(speech.network, (*words[2:], "x", "y")))
    with pytest.raises(DatasetError, match=r"named after a word \(word0.*its folders are bed, go"):
        speech_clips(none, folder, None)


def test_all_bad_clips_are_named_together(speech, folder: Path):
    (folder / "yes/a_0.wav").write_bytes(b"")
    soundfile.write(folder / "bed/a_0.wav", np.zeros(0), 16_000)
    with pytest.raises(DatasetError, match=r"2 clips cannot be used.*bed/a_0\.wav.*yes/a_0\.wav"):
        read_labelled(speech, [folder], split="all")


def test_the_environment_names_a_folder_of_audio(speech, array, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, "/speech")
    assert default_data(speech, None) == Path("/speech")
    assert default_data(speech, Path("/mine")) == Path("/mine")
    assert default_data(array, None) is None
    assert default_data(array, Path("/mine")) == Path("/mine")
    monkeypatch.delenv(DATA_VARIABLE)
    assert default_data(speech, None) is None


def test_even_choices():
    labels = [0] * 50 + [1] * 3 + [2] * 20
    chosen = balanced(labels, 9)
    assert Counter(labels[at] for at in chosen) == {0: 3, 1: 3, 2: 3}
    assert len(balanced(labels, 100)) == 73
