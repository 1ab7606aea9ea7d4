"""Images from a trained backbone: samplers, guidance, and the files that other tools take."""
