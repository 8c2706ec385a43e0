"""Reports in ``build/reports``: the latest of each kind under a fixed name, and one per subject.

Results of one network never overwrite another's.
"""

from pathlib import Path

from twofold.hw.contract.cache import digest
from twofold.hw.contract.files import write_text

FOLDER = "reports"


def write_report(build: Path, name: str, subject: str, text: str) -> Path:
    """Write a report as ``build/reports/NAME-SUBJECT.SUFFIX`` and as ``NAME.SUFFIX``, the latest.

    ``name`` includes the suffix, as in ``sim.json``. ``subject`` consists of letters, digits, '-',
    '_' and '.', like the names of networks. Returns the path of the latest. Raises FileError.
    """
    latest = build / FOLDER / name
    write_text(latest.with_name(f"{latest.stem}-{subject}{latest.suffix}"), text)
    write_text(latest, text)
    return latest


def subject_of(name: str, *parts: str, content: bytes = b"") -> str:
    """Subject of a report about network ``name``, distinguished by content from others of that
    name.

    ``parts`` are further things that distinguish reports, such as the size of the machine. Without
    ``content``, as for shipped networks, the name is enough.
    """
    marks = [digest([content])[:8]] if content else []
    return "-".join([name, *parts, *marks])
