"""Corpora, clips, splits, and the utterances in them."""
