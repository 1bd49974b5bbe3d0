"""Import modules in an interpreter that has nothing yet, and print the cost as JSON.

PYTHON benchmarks/imports.py [MODULE ...]
"""

import sys
import time

from memory import memory_mb


def main() -> None:
    """Import what the command names."""
    started_s = time.process_time()
    for name in sys.argv[1:]:
        __import__(name)
    figures = {
        "import_ms": (time.process_time() - started_s) * 1e3,
        "import_mb": memory_mb(),
        "modules": len(sys.modules),
    }
    import json

    print(json.dumps(figures))


if __name__ == "__main__":
    main()
