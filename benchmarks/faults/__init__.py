"""What conlst is put through, and how much of it it survives. Each line is one module."""

from benchmarks import HERE

RESULT = HERE / "results" / "faults.json"
