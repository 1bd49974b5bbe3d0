"""How much memory this process has. Imports nothing that an empty interpreter has not."""

import os
import sys


def memory_mb() -> float:
    """Return the resident memory now; where there is no /proc, its peak."""
    try:
        with open("/proc/self/statm") as file:  # noqa: PTH123 - pathlib is not there yet
            pages = int(file.read().split()[1])
    except OSError:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
