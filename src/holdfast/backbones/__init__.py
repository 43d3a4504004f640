"""The fifteen backbones, behind one surface and one registry."""
