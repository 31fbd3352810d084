"""Measurements side by side with others; each folder says what and how."""
