"""`python -m splitgen`."""

import sys

if not sys.flags.safe_path:
    sys.path.append(sys.path.pop(0))  # the working folder, which Python puts first: a `torch.py` in it is not torch

from splitgen.cli import run  # noqa: E402

run()
