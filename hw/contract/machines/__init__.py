"""Machine files that Twofold ships, ``<net>-<variant>-<size>.machine.json``.

`twofold.hw.contract.shipped` reads them.
"""
