"""``python -m holdfast``, and the ``holdfast`` command."""


def main() -> None:
    """Run the command line."""
    from holdfast.cli import app

    app()


if __name__ == "__main__":
    main()
