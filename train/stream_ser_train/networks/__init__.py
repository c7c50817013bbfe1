"""The networks, and what becomes of them at export."""
