import sys
import unittest
from pathlib import Path

FOLDER = Path(__file__).parent
# The host carries the SDK's folder, and its sources are all text.
sys.dont_write_bytecode = True
sys.path.insert(0, str(FOLDER / "../../plugin-sdk/python"))

from migration import transform  # noqa: E402
from plugin_sdk.testing import check_cases  # noqa: E402


class Cases(unittest.TestCase):
    def test_cases(self) -> None:
        check_cases(self, transform, FOLDER / "cases.jsonl")
