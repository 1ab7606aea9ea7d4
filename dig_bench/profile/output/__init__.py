"""A profile for people: on a terminal, and as an HTML page with its figures."""
