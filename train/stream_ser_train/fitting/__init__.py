"""From utterances to fitted networks."""
