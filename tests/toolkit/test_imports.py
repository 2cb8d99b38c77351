from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["gensdk.toolkit", "gensdk.toolkit.notes"])
def test_importing_the_toolkit_loads_no_http_library(module: str) -> None:
    code = (
        f"import sys, {module}\n"
        "heavy = {'httpx2', 'httpx', 'httpcore2', 'h11', 'anyio', 'openai', 'numpy', 'pybase64'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
