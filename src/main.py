"""The guide's ``python src/main.py``: ``holdfast train`` with the same options."""

import sys

__all__ = ["train_backbone_with_metrics"]

if __name__ == "__main__":  # torch is loaded inside the command, which knows what Ctrl-C means
    import typer

    from holdfast.cli import app

    train = typer.main.get_command(app).commands["train"]
    train.main(sys.argv[1:], prog_name="python src/main.py")
else:
    from holdfast.pipeline import train_backbone_with_metrics
