"""``holdfast backbones``."""

from rich.console import Console
from rich.table import Table


def list_backbones() -> None:
    """Print every backbone with its paper, its mechanism and its parameters."""
    import torch

    from holdfast.backbones import count_parameters, create_backbone, find_family
    from holdfast.config import BACKBONES

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Backbone", no_wrap=True)
    table.add_column("Paper", no_wrap=True)
    table.add_column("Tiny", justify="right", no_wrap=True)
    table.add_column("Full", justify="right", no_wrap=True)
    table.add_column("Mechanism")
    for name in BACKBONES:
        family = find_family(name)
        with torch.device("meta"):  # counts without making any weights
            sizes = [
                create_backbone(name, size="tiny", num_classes=10, image_size=32),
                create_backbone(name, size="full", num_classes=1000, image_size=224),
            ]
        counts = [f"{count_parameters(model) / 1e6:.1f} M" for model in sizes]
        table.add_row(name, family.paper.removeprefix("arXiv:"), *counts, family.mechanism)
    Console(highlight=False).print(table)
