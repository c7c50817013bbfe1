"""What ``stream-ser bench`` measures. Nothing imports it but its command."""
