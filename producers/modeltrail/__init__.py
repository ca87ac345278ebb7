"""Record what made a model: data, code, hyperparameters, metrics and environment, as events in a log."""
