"""`python -m edge_agent`: the same as `wattline edge`."""

import sys

from wattline.cli import run

if __name__ == "__main__":
    sys.exit(run(["edge", *sys.argv[1:]]))
