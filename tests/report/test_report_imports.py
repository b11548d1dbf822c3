"""The report's front door is light, and pages need no torch."""

import subprocess
import sys


def test_pages_load_no_torch():
    code = (
        "import sys, conlst.report, conlst.report.markdown, conlst.report.terminal;"
        "assert not {'torch', 'pyarrow', 'transformers'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
