"""Where the packages lie: ``twofold`` is put together from the folders of the repository."""

from setuptools import find_packages, setup

ROOMS = {"twofold": "sw/public", "twofold.hw": "hw", "twofold.sw": "sw", "twofold.sim": "sim"}
"""Folder of each package; those below follow."""


def packages() -> list[str]:
    """Every package, by its installed name."""
    found = ["twofold"]
    for name, folder in ROOMS.items():
        if name != "twofold":
            found += [name, *(f"{name}.{inner}" for inner in find_packages(folder))]
    return [name for name in found if name != "twofold.sw.public"]


setup(packages=packages(), package_dir=ROOMS)
