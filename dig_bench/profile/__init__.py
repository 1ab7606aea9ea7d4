"""Where the time and the memory of a step go: by component of the architecture, by kernel, against the roofs."""
