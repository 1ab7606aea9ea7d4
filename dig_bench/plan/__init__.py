"""Plan of a sweep: axes, options, presets and plugins resolved to a list of cells, with an estimate of their cost."""
