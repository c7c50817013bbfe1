"""Results as pages, plots and bars."""
