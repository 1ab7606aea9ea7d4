"""Results per revision in an append-only folder: trends, steps, and the revisions that a step lies between."""
