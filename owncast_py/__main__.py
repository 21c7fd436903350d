"""`python -m owncast_py` is the command `owncast-py`."""

from __future__ import annotations

from owncast_py.cli import main

if __name__ == "__main__":
    main()
