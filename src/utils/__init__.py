"""The guide's door to the checkpoint manager."""
