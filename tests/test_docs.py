"""Every command and every block of code in README and the documentation is checked as written.

Commands that take seconds are run in the order of their page. Of all others the options are parsed
by the command line itself, targets and variables of make are looked up, and links lead somewhere.
"""

import re
import shlex
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from twofold.hw.contract.shipped import names as machines
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import names as networks
from twofold.sw.cli.main import VERBS, command, main

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "hw/**/README.md", "sw/**/README.md", "bitstreams/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"
)
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
STARTS = ("make ", "twofold ", "python ", "export ", "pip ", "pytest ", "git ", "cd ")
"""What commands begin with; an assignment of environment variables may stand before."""
OTHERS = ("export", "pip", "pytest", "git", "cd")
"""Commands of other programs, which are taken as they are."""


def code(page: Path) -> Iterator[tuple[str, str]]:
    """Blocks of code with their language; those that are indented have none."""
    text, language, block = page.read_text(encoding="utf-8"), None, []
    for line in [*text.splitlines(), ""]:
        if line.startswith("```"):
            if language is None:
                language, block = line[3:].strip(), []
            else:
                yield language, "\n".join(block)
                language, block = None, []
        elif language is not None:
            block.append(line)
        elif line.startswith("    "):
            block.append(line[4:])
        elif block:
            yield "", "\n".join(block)
            block = []


def commands(page: Path) -> list[list[str]]:
    """Commands of a page, split into words, without comments and variables before them."""
    found = []
    for language, block in code(page):
        if language not in ("", "sh", "bash", "console"):
            continue
        for line in block.replace("\\\n", " ").splitlines():
            plain = re.sub(r"^(\w+=\S+ +)+", "", line.strip())
            if plain.startswith(STARTS):
                words = shlex.split(re.sub(r" > \S+", "", plain), comments=True)
                while "&&" in words:
                    at = words.index("&&")
                    found.append(words[:at])
                    words = words[at + 1 :]
                found.append(words)
    return found


def test_pages_are_found():
    assert {"README.md", "docs/first-steps.md", "docs/results.md", "sw/train/README.md"} <= {*NAMES}
    assert len(commands(ROOT / "README.md")) > 10


@pytest.mark.parametrize("name", NAMES)
def test_options_of_every_command_are_accepted(name: str, monkeypatch):
    for words in commands(ROOT / name):
        check = CHECKS.get(words[0])
        if check:
            check(words, monkeypatch)
        else:
            assert words[0] in OTHERS, f"{name}: {' '.join(words)}"


def check_make(words: list[str], _: pytest.MonkeyPatch) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = {
        target for line in re.findall(r"^([a-z -]+):", makefile, re.M) for target in line.split()
    }
    for word in words[1:]:
        variable, assigned, _value = word.partition("=")
        if assigned:
            assert re.search(rf"\$[({{]{variable}\b|\({variable}\)", makefile), " ".join(words)
        else:
            assert word in targets, " ".join(words)
    assert_shipped(words)


def check_twofold(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own parser takes the words; what they name as shipped does ship."""
    seen: list[object] = []
    if words[1] in VERBS:
        monkeypatch.setattr(command(words[1]), "run", lambda args: seen.append(args) or 0)
    try:
        code = main(words[1:])
    except SystemExit as stop:
        code = stop.code
    assert code == 0 and (seen or "--help" in words), " ".join(words)
    assert_shipped(words)


def assert_shipped(words: list[str]) -> None:
    """Names of networks and machines in a command are those that ship."""
    for word in words:
        value = word.rpartition("=")[2]
        if re.fullmatch(r"(gsc|tiny)-[a-z-]+-(small|full)", value):
            assert value in machines(), value
        elif re.fullmatch(r"(gsc|tiny)-[a-z-]+", value):
            assert value in networks(), value


def check_python(words: list[str], _: pytest.MonkeyPatch) -> None:
    assert words[1] == "-m", " ".join(words)
    assert find_spec(words[2]), words[2]


CHECKS = {"make": check_make, "twofold": check_twofold, "python": check_python}


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str):
    page = ROOT / name
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    for target in targets:
        path, _, anchor = target.partition("#")
        if path.startswith("https://"):
            continue
        file = page.parent / path if path else page
        assert file.exists(), f"{name}: {target}"
        if anchor:
            assert anchor in anchors(file), f"{name}: {target}"


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_blocks_of_python_compile(name: str):
    for language, block in code(ROOT / name):
        if language == "python":
            compile(block, name, "exec")


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_first_steps_as_written(environment: Path, capsys: pytest.CaptureFixture[str]):
    """Everything on the page but what make does."""
    page = ROOT / "docs" / "first-steps.md"
    done = 0
    for words in commands(page):
        if words[0] == "twofold":
            assert main(words[1:]) == 0, " ".join(words)
            done += 1
    assert done == 6
    for name in ("tiny.machine.json", "tiny.image", "tiny.onnx"):
        assert (environment / name).stat().st_size > 0
    capsys.readouterr()
    (program,) = [block for language, block in code(page) if language == "python"]
    exec(compile(program, str(page), "exec"), {})
    said = re.fullmatch(r"0\.(\d+) of 359 digits are right\n", capsys.readouterr().out)
    assert said and int(said.group(1)) > 900


@pytest.mark.usefixtures("build")  # in the folder where `twofold sim` looks for it
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's, of its own exporter
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_own_network_as_written(environment: Path, capsys: pytest.CaptureFixture[str]):
    """From PyTorch to samples through the RTL, block by block."""
    pytest.importorskip("torch").set_num_threads(1)
    page = ROOT / "docs" / "own-network.md"
    text, namespace = page.read_text(encoding="utf-8"), {"__name__": "page"}
    programs = iter([block for language, block in code(page) if language == "python"])
    done = []
    for part in re.split(r"(?=^```python$)", text, flags=re.M):
        if part.startswith("```python"):
            exec(compile(next(programs), str(page), "exec"), namespace)
        for line in re.findall(r"^    (twofold .*)$", part.split("\n```\n", 1)[-1], re.M):
            words = shlex.split(line)
            # A label may differ where rounding in float32 does.
            assert main(words[1:]) in ((0, 1) if words[1] == "import" else (0,)), line
            done.append(words[1])
    assert done == ["import", "compare", "solve", "sim", "infer", "train"]
    assert (environment / "digits.machine.json").stat().st_size > 0
    for name in ("sparse.npz", "sparse-too.npz"):
        sparse = QuantizedNetwork.load(environment / name)
        assert sparse.provenance["accuracy"]["test"] > 0.8
        assert (sparse.layers[1].weight != 0).mean() < 0.25
    assert "ONNX Runtime" in capsys.readouterr().out


def test_example_of_the_driver_as_written(environment: Path):
    page, found = ROOT / "sw" / "driver" / "README.md", {}
    (program,) = [block for language, block in code(page) if language == "python"]
    exec(compile(program, str(page), "exec"), found)
    assert found["logits"].shape == (4096, 10) and len(set(found["labels"])) == 1
    assert found["counters"]
    assert not list(environment.iterdir())


def test_solving_as_written(environment: Path, capsys: pytest.CaptureFixture[str]):
    """The commands on how the machine works."""
    for words in commands(ROOT / "docs" / "how-it-works.md"):
        if words[0] == "twofold":
            assert main(words[1:]) == 0, " ".join(words)
    assert "conv1 compute" in capsys.readouterr().out
    assert len(list(environment.glob("build/machines/*.machine.json"))) == 2


def test_results_name_what_make_runs():
    """The commands that the page lists are those of the Makefile, in their order."""
    recipe = (ROOT / "Makefile").read_text().partition("\nresults:")[2].partition("\n\n")[0]
    made = re.findall(r"\$\(BIN\)/twofold (\w+)(?:.*--variant (\S+))?", recipe)
    listed = []
    for words in commands(ROOT / "docs" / "results.md"):
        if words[0] == "twofold" and words[1] in ("bench", "sim", "report"):
            variant = words[words.index("--variant") + 1] if "--variant" in words else ""
            listed.append((words[1], variant))
    assert made == listed


def test_ten_digits_are_commands_that_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What `make digits` runs, with a program in place of ``twofold`` that notes its words."""
    program = tmp_path / "twofold"
    program.write_text(f"#!/bin/sh\necho twofold \"$@\" >> {tmp_path}/words\necho '{{}}'\n")
    program.chmod(0o755)
    made = ["make", "-f", str(ROOT / "Makefile"), "-o", "none/.all", "VENV=none", f"BIN={tmp_path}"]
    subprocess.run([*made, "digits", "SCALE=0.4"], cwd=tmp_path, check=True, capture_output=True)
    found = [line.split() for line in (tmp_path / "words").read_text().splitlines()]
    assert [words[1] for words in found] == [*["train", "eval", "eval"] * 3, *["solve", "sim"] * 2]
    for words in found:
        check_twofold(words, monkeypatch)
    measured = {path.name for path in (tmp_path / "build" / "reports").iterdir()}
    assert measured == {
        f"eval-digits10-{variant}-{split}.json"
        for variant in ("dense", "accurate", "fast")
        for split in ("val", "test")
    }


def test_versions_agree():
    wanted = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert wanted
    assert f"version: {wanted.group(1)}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## {wanted.group(1)}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_make_help_lists_every_target():
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert all(f"make {verb} " in done.stdout for verb in ("sim", "results", "report", "docs"))
