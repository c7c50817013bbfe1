"""How right the models are, and where."""
