"""``python -m melancia.experiments.run_experiments --mode quick|full``, the guide's name for
``melancia benchmark --mode quick|full``.
"""

import runpy
import sys


def main() -> None:
    """Be ``melancia benchmark`` with the arguments of this process."""
    sys.argv = ["melancia", "benchmark", *sys.argv[1:]]
    # By name: this module's place is below the command line, which it only stands for.
    runpy.run_module("melancia", run_name="__main__")


if __name__ == "__main__":
    main()
