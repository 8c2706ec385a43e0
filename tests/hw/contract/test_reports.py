"""Results of one network never take the place of another's."""

from pathlib import Path

from twofold.hw.contract.reports import subject_of, write_report


def test_the_latest_and_one_for_each_subject(tmp_path: Path):
    for subject in ("gsc-fast-full", "tiny-fast-small", "gsc-fast-full"):
        path = write_report(tmp_path, "sim.json", subject, subject)
        assert path == tmp_path / "reports" / "sim.json"
        assert path.read_text() == subject
    assert sorted(entry.name for entry in path.parent.iterdir()) == [
        "sim-gsc-fast-full.json",
        "sim-tiny-fast-small.json",
        "sim.json",
    ]
    assert (path.parent / "sim-tiny-fast-small.json").read_text() == "tiny-fast-small"


def test_networks_of_one_name_are_told_apart_by_content():
    assert subject_of("gsc-fast", "full") == "gsc-fast-full"
    one, other = (subject_of("own", "small", content=content) for content in (b"1", b"2"))
    assert one != other and one.startswith("own-small-")
    assert subject_of("own", "small", content=b"1") == one
