"""The guide's door to the settings."""
