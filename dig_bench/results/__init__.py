"""Results: a folder of rows, its samples and manifest, and the metrics that its rows hold."""
