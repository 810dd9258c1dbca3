"""`python -m app`, and the `nameplate` command."""

from __future__ import annotations

from app.cli import run


def main() -> None:
    """Run the command line."""
    run()


if __name__ == "__main__":
    main()
