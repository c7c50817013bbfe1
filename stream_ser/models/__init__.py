"""Trained models: the bundle files, the provider that runs them, and the classifier they make together."""
