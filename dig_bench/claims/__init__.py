"""The paper's claims against measurements: what is claimed, what was found, under which conditions, and the verdict."""
