"""What surrounds training: data loading, checkpoints, hooks, exchange of arrays."""
