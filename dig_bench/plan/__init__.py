"""What a sweep asks for: axes, options, presets and plugins, resolved to a list of cells."""
