"""What the program takes into memory before anything is streamed."""

from __future__ import annotations

import subprocess
import sys


def test_an_idle_server_does_not_load_the_media_libraries() -> None:
    question = "import sys, owncast_py.app; print(sorted({'av', 'PIL', 'numpy'} & sys.modules.keys()))"
    answer = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout == "[]\n"
