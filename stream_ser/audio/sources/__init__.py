"""What fills a ring: microphones and files."""
