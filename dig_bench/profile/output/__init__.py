"""Renders profiles: on a terminal, and as an HTML page with figures."""
