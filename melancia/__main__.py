"""``python -m melancia`` is ``melancia``."""

from melancia.cli import main

if __name__ == "__main__":
    main()
