"""The questions as Python calls: an opened read model, typed results that a notebook can show, lists paged lazily."""
