"""What several plugins read in the same way."""
