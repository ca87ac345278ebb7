"""MLflow beside modeltrail: what its entities say as notes (naming, runs, models), and stores that record (stores).

Nothing here imports MLflow unless MLflow itself asked for a store of ours.
"""
