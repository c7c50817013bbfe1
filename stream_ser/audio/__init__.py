"""Where samples come from: microphones, files, and the way to the recogniser's rate."""
