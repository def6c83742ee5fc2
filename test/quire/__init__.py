"""The test harness: machines in the emulator, and the cases of test programs that run in them."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "mkfs"))
