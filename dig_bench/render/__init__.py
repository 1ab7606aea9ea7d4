"""Parts that all pages, figures and tables share."""
