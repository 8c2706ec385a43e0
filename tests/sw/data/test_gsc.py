"""The data set's folder layout: splits, classes, silence and folders that are something else."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from twofold.hw.contract import presets
from twofold.hw.contract.presets import GSC_LABELS
from twofold.sim.workloads.random_network import random_quantized
from twofold.sw.data import gsc
from twofold.sw.data.frontend import FIXED
from twofold.sw.errors import DatasetError
from twofold.sw.inputs import read_labelled
from twofold.sw.train.point import relabel

DIGITS = gsc.DIGIT_WORDS
GSC = os.environ.get("TWOFOLD_GSC")


def write(path: Path, seconds: float = 1.0, level: float = 0.1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(path.name)).normal(0, level, int(16000 * seconds))
    soundfile.write(path, noise, 16000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("yes/a_nohash_0", "yes/b_nohash_0", "go/c_nohash_0", "bed/a_nohash_0"):
        write(tmp_path / f"{name}.wav")
    write(tmp_path / "_silence_/1.wav")
    write(tmp_path / "_silence_/2.wav")
    write(tmp_path / "_background_noise_/hum.wav", seconds=3.5)
    (tmp_path / "validation_list.txt").write_text("yes/b_nohash_0.wav\n_silence_/1.wav\n")
    (tmp_path / "testing_list.txt").write_text("go/c_nohash_0.wav\n")
    return tmp_path


def test_splits_and_classes(folder: Path) -> None:
    data = gsc.open_gsc(folder)
    names = {split: {clip.name for clip in data.clips(split)} for split in gsc.SPLITS}
    assert names["val"] == {"yes/b_nohash_0.wav", "_silence_/1.wav"}
    assert names["test"] == {"go/c_nohash_0.wav"}
    noise = {f"_background_noise_/hum.wav@{second}s" for second in range(3)}
    assert names["train"] == {"yes/a_nohash_0.wav", "bed/a_nohash_0.wav", "_silence_/2.wav"} | noise
    assert names["all"] == names["train"] | names["val"] | names["test"]
    label = {clip.name: GSC_LABELS[clip.label] for clip in data.clips("all")}
    assert label["bed/a_nohash_0.wav"] == "unknown" and label["_silence_/2.wav"] == "silence"
    assert label["go/c_nohash_0.wav"] == "go" and label[min(noise)] == "silence"


def test_other_tasks(folder: Path) -> None:
    clips = gsc.open_gsc(folder).clips("all")
    assert gsc.for_task(clips, GSC_LABELS) == clips
    chosen = gsc.for_task(clips, ("bed", "go"))
    assert {(clip.word, clip.label) for clip in chosen} == {("bed", 0), ("go", 1)}
    assert all(clip.start is None for clip in gsc.for_task(clips, ("yes", "unknown")))


def test_noise_is_cut_where_its_name_says(folder: Path) -> None:
    whole, _ = soundfile.read(folder / "_background_noise_/hum.wav", dtype="float32")
    cuts = [clip for clip in gsc.open_gsc(folder).clips("train") if clip.start is not None]
    for second, clip in enumerate(cuts):
        np.testing.assert_array_equal(
            clip.samples(), whole[second * 16000 : second * 16000 + 16000]
        )
    assert len(cuts) == 3


def test_features_in_order(folder: Path) -> None:
    clips = gsc.open_gsc(folder).clips("all")
    values = gsc.features(clips)
    assert values.shape == (len(clips), 32, 32)
    np.testing.assert_array_equal(values[2:3], gsc.features(clips[2:3]))
    assert gsc.labels(clips).tolist() == [clip.label for clip in clips]


def test_folder_without_lists_counts_whole(folder: Path) -> None:
    for name in gsc.LISTS.values():
        (folder / name).unlink()
    data = gsc.open_gsc(folder)
    assert len(data.clips("all")) == 9
    with pytest.raises(DatasetError, match="no clips of split 'test', only of all"):
        data.clips("test")


def test_refuses_what_is_not_the_data_set(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder"):
        gsc.open_gsc(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="not Google Speech Commands"):
        gsc.open_gsc(folder / "bed")
    with pytest.raises(DatasetError, match="split is 'dev'"):
        gsc.open_gsc(folder).clips("dev")
    (folder / "go/c_nohash_0.wav").unlink()
    with pytest.raises(DatasetError, match=r"go/c_nohash_0\.wav; the copy is incomplete"):
        gsc.open_gsc(folder)
    (folder / "testing_list.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match="not a text file"):
        gsc.open_gsc(folder)


def test_reads_folders_as_people_have_them(folder: Path) -> None:
    """What file managers leave, capital suffixes, and lists from other systems and editors."""
    (folder / "yes/._a_nohash_0.wav").write_bytes(b"\0\5\x16\7")
    (folder / "_background_noise_/._hum.wav").write_bytes(b"\0\5\x16\7")
    (folder / ".Trash").mkdir()
    write(folder / ".Trash/old.wav")
    write(folder / "yes/d nohash 0.WAV")
    (folder / "validation_list.txt").write_bytes(
        b"\xef\xbb\xbf./yes/b_nohash_0.wav \r\n_silence_\\1.wav\r\n\r\n"
    )
    (folder / "testing_list.txt").write_text("  go//c_nohash_0.wav\n.\\yes\\d nohash 0.WAV")
    data = gsc.open_gsc(folder)
    names = {split: {clip.name for clip in data.clips(split)} for split in gsc.SPLITS}
    assert names["val"] == {"yes/b_nohash_0.wav", "_silence_/1.wav"}
    assert names["test"] == {"go/c_nohash_0.wav", "yes/d nohash 0.WAV"}
    assert len(names["all"]) == 10
    assert len(gsc.features(data.clips("all"))) == 10


def test_all_bad_clips_are_named_together(folder: Path) -> None:
    (folder / "go/c_nohash_0.wav").write_bytes(b"")
    soundfile.write(folder / "bed/a_nohash_0.wav", np.zeros(0), 16_000)
    (folder / "yes/a_nohash_0.wav").write_bytes(b"RIFF" + bytes(9))
    clips = gsc.open_gsc(folder).clips("all")
    with pytest.raises(DatasetError, match="3 clips cannot be used") as caught:
        gsc.features(clips)
    for name in ("go/c_nohash_0.wav", "bed/a_nohash_0.wav", "yes/a_nohash_0.wav"):
        assert f"{folder / name}: " in str(caught.value)
    for at in range(30):
        (folder / f"go/{at}.wav").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"33 clips cannot be used.*and 13 more$"):
        gsc.features(gsc.open_gsc(folder).clips("all"))


def test_all_bad_noise_is_named_together(folder: Path) -> None:
    (folder / "_background_noise_/a.wav").write_bytes(b"")
    soundfile.write(folder / "_background_noise_/b.wav", np.zeros(44_100), 44_100)
    with pytest.raises(DatasetError, match=r"2 noise .*a\.wav.*b\.wav: 44100 samples/s"):
        gsc.open_gsc(folder)


def test_words_of_another_task(folder: Path) -> None:
    assert len(gsc.open_gsc(folder, ("bed",)).clips("all")) == 9
    with pytest.raises(DatasetError, match=r"a word \(lamp, door\); .* bed, go, yes"):
        gsc.open_gsc(folder, ("lamp", "door"))


WORDS_V1 = (
    *gsc.KEYWORDS, *gsc.DIGIT_WORDS, "bed", "bird", "cat", "dog", "happy", "house", "marvin",
    "sheila", "tree", "wow",
)  # fmt: skip
WORDS_V2 = (*WORDS_V1, "backward", "follow", "forward", "learn", "visual")


@pytest.mark.parametrize("words", [WORDS_V1, WORDS_V2], ids=["v0.01", "v0.02"])
def test_archives_as_they_unpack(tmp_path: Path, words: tuple[str, ...]):
    """Texts and noise beside the words, both lists in the root, no folders for splits or silence;
    some clips are shorter than a second.
    """
    for name in ("README.md", "LICENSE", "_background_noise_/README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("about the data set\n")
    write(tmp_path / "_background_noise_/pink_noise.wav", seconds=2.0)
    for word in words:
        for speaker, seconds in (("0a7c2a8d", 1.0), ("0b40aa8e", 0.74), ("0c40e715", 1.0)):
            write(tmp_path / f"{word}/{speaker}_nohash_0.wav", seconds)
    for name, speaker in (("validation", "0b40aa8e"), ("testing", "0c40e715")):
        listed = "".join(f"{word}/{speaker}_nohash_0.wav\n" for word in words)
        (tmp_path / f"{name}_list.txt").write_text(listed)
    data = gsc.open_gsc(tmp_path)
    assert len(data.clips("train")) == len(words) + 2
    network = random_quantized(relabel(presets.network("gsc", "fast"), "digits10", DIGITS), 1)
    network = replace(network, input={"kind": "audio", "front_end": FIXED})
    for split in ("val", "test"):
        assert len(data.clips(split)) == len(words)
        found = [clip.word for clip in gsc.for_task(data.clips(split), DIGITS)]
        assert sorted(found) == sorted(DIGITS)
        samples = read_labelled(network, [tmp_path], split=split)
        assert sorted(samples.labels) == list(range(10))
        assert samples.source == f"Google Speech Commands, {split} split"


@pytest.mark.skipif(GSC is None, reason="TWOFOLD_GSC is not set")
def test_real_data_set() -> None:
    data = gsc.open_gsc(Path(GSC or ""))
    test = data.clips("test")
    names = {split: {clip.name for clip in clips} for split, clips in data.splits.items()}
    assert not names["train"] & names["val"] and not names["test"] & (names["train"] | names["val"])
    assert set(gsc.labels(test).tolist()) == set(range(12))
    values = gsc.features(test[::50])
    assert 20 < values.mean() < 160 and values.std() > 20
