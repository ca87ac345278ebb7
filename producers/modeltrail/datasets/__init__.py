"""What tells one version of data or of a model from another: content, what its store calls it, or the user's word."""
