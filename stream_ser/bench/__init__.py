"""What ``stream-ser bench`` measures. Imported by its command only."""
