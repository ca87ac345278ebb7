"""Questions put to the read model. Fetching (``snapshot``) and folding (pure) are apart; rendering is the CLI's."""
