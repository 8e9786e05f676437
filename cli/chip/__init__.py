"""The commands of ``ohmgate chip``."""
