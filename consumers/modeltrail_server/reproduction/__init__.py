"""Making a model again: the recipe a record holds, the folder where it is followed, and the verdict."""
